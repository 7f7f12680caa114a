"""Base class of the package's layers."""

import inspect
from typing import Any

import keras


class ConfigLayer(keras.layers.Layer):
    """A layer that stores each constructor argument in the attribute of the same name. `get_config` reads them there."""

    def get_config(self) -> dict[str, Any]:
        config, classes = super().get_config(), type(self).__mro__
        for cls in classes[: classes.index(ConfigLayer)]:
            for name in inspect.signature(vars(cls)["__init__"]).parameters if "__init__" in vars(cls) else ():
                if name not in ("self", "kwargs"):
                    config.setdefault(name, getattr(self, name))
        return config
