"""How good a trained model is, by numbers and pictures."""
