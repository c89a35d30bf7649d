"""Pictures of runs and of sweeps, made from stored results alone.

``kinds/`` has a module for each picture of one run, ``overview/`` one for each picture of a whole sweep; `contract`
says what they have. A kind is found by its file, whose stem is the name that users ask for. A module of several
pictures has a mapping ``PICTURES`` from their names to objects with the same contract.
"""
