"""How far judges agree with people: answers that people label (`sampling`), what the two say of the same ones
(`agreement`), and what follows for a judge's scores (`standing`, `correction`).
"""
