"""A street of open money, and the noise that is made at its doors: see ``test_fuzz_callbacks``."""
