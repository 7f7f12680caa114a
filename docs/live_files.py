"""Files of the live demos that are made, not copied: functions of a path, named in docs/live/*.files.yaml."""
