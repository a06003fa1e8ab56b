"""Who calls the example's assistant, and what they ask: the demo's traffic, and that of the tests of the console."""

CALLERS = [
    ("acme", "chat", "ada"),
    ("acme", "chat", "ben"),
    ("acme", "email", "cleo"),
    ("globex", "chat", "dana"),
    ("globex", "search", "emil"),
    ("globex", "search", "fay"),
]
"""Tenant, feature and user."""
QUESTIONS = [
    "How many days do I have to send back a tent I have not used?",
    "What does express delivery cost, and when does it arrive?",
    "Can I still change the address of my order?",
    "My parcel has had no tracking update for eight days. What now?",
    "Do you deliver to Switzerland?",
    "Can I return a gift with its gift receipt?",
    "How should I wash my down jacket?",
    "Is there a price match with an authorised dealer?",
]
