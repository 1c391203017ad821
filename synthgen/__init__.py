"""synthgen: annotated datasets from conditional diffusion models, with a measurement of what they are worth."""

__version__ = "0.1.0"
