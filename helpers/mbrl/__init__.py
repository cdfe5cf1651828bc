"""What the chapters on model-based RL share: worlds, memories, films, and the models of their labs."""
