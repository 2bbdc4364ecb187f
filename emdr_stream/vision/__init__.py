"""From a picture of a face to what it shows: crop, geometry and the models that read them."""
