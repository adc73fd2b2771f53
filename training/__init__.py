"""How the embedded models were made: data, augmentation, training, export, evaluation."""
