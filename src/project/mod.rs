//! YAML files in, a typed project or a list of problems out.
