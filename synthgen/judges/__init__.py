"""Independent models, trained on real rows alone, that gates and evaluation may ask about any row."""
