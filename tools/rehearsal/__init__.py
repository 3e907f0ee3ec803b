"""The parts of `make rehearse`; `tools/rehearse.py` runs them. Only the standard library is needed to start one."""
