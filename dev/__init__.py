"""What a contributor runs: play, test, bench, manifest, verify."""
