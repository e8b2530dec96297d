"""From images of any size to results at their original size."""
