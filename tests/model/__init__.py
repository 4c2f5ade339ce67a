"""The protocol of `same_cluster` as a small state model, explored to its last state: `python -m tests.model`.

`state.py` says what a state is, `writers.py`, `copier.py` and `phases.py` who may do what in it, `invariants.py` what must
hold in every one, `mutations.py` what each part of the protocol is for. Nothing here is random and nothing is sampled.
"""
