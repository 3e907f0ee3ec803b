"""Fashion-MNIST: its images, a small U-Net that is a noise predictor like any other, and how pictures are judged."""
