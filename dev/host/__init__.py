"""Real Open WebUI hosts: installed, started, driven, and what they share."""
