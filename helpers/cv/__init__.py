"""What the computer-vision chapters share: augmentation, transfer learning, drawings."""
