"""How the embedded models are made: data, augmentation, training, export, evaluation."""
