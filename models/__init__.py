"""Small real models and photographs that the package ships."""
