"""The recipe of the model in the box: data, stages, evaluation and export."""
