"""What someone without a license gets out of a model file, attack by attack.

The attacker has every file, a Python console, any number of unlicensed runs on any input, and the sources; no license.
Each module holds the attacks of one kind and gives ``Attempt``s; ``suite`` runs them, ``report`` writes what came out.
"""
