"""The parts of `scripts.report`: reading, numbers, drawings, pages."""
