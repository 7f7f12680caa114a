"""Methods of the Deep Visualization Toolbox (arXiv 1506.06579), of the deconvnet paper (1311.2901) and more.

They work on any functional or Sequential Keras model and any backend.

>>> from kerasrecipes import visualize
>>> visualize.compute_saliency(model, "cat.png", "fire9:40").save("saliency.png")
"""

from kerasrecipes._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "kerasrecipes.graph.units": "Unit expand_units find_unit layer_names",
        "kerasrecipes.graph.receptive_field": "receptive_field ReceptiveField",
        "model_table": "layer_table LayerTable",
        "saliency": "compute_saliency Saliency SaliencyMethod",
        "attribution": "Attribution",
        "averaged_gradients": "compute_integrated_gradients compute_smoothgrad",
        "grad_cam": "compute_grad_cam",
        "rise": "compute_rise",
        "faithfulness": "measure_faithfulness Faithfulness",
        "activations": "activation_maps ActivationMaps",
        "synthesis": "synthesize synthesize_units SynthesizedInputs",
        "synthesis_cache": "synthesize_to_folder",
        "activation_maximization": "PRESETS resolve_settings AscentSettings",
        "fourier_images": "FourierSettings",
        "activation_grid": "compute_activation_grid ActivationGrid",
        "top_patches": "find_top_activations TopActivations top_image_patches TopPatches",
        "occlusion": "compute_occlusion OcclusionMaps occlusion_correspondence measure_correspondence",
        "filters": "show_filters FilterGrid",
        "frequency_response": "filter_responses FilterResponses save_filter_responses",
        "html_report": "write_report",
        "speech": "compute_audio_saliency AudioSaliency symbol_posteriors SymbolPosteriors",
        "model_graph": "draw_graph ModelGraph",
        "methods": "METHODS",
    },
)
