"""What a run writes: sounds, pictures, the page of clips and the manifest."""
