"""The graded labs: from the master notebooks, with solutions, to what students get."""
