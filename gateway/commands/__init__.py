"""The commands of ``flask --app wsgi``, one file per noun; ``gateway.cli`` adds them all."""
