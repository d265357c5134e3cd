"""Words that names are made of, and words that are like short names. All folded."""

# Words that names of firms and bodies are made of; alone they name nobody.
GENERIC = frozenset({
    "association", "batiment", "btp", "bureau", "business", "center", "centre", "client", "clinic",
    "clinique", "commerce", "commune", "compagnie", "company", "conseil", "construction",
    "constructions", "cooperative", "district", "ecole", "entreprise", "entreprises",
    "etablissement", "etablissements", "fondation", "foundation", "general", "generale", "gmbh",
    "group", "groupe", "hopital", "hospital", "international", "limited", "ltda", "mairie",
    "materiaux", "ministere", "ministry", "national", "nationale", "office", "partner",
    "partners", "pharmacie", "plus", "project", "projet", "provider", "quincaillerie", "sarl",
    "school", "sender", "service", "services", "societe", "solutions", "sons", "support",
    "systems", "technologies", "trading", "transport", "travaux", "union", "works",
})  # fmt: skip

# Of two and three letters: what sentences, prices and forms are full of, in capitals too, and the
# particles of names. Nobody is looked for by one of them alone.
ORDINARY = frozenset({
    # French
    "au", "aux", "ce", "ces", "cet", "de", "des", "du", "en", "est", "et", "eu", "ici", "il",
    "ils", "je", "la", "le", "les", "lui", "ma", "me", "mes", "moi", "mon", "ne", "ni", "non",
    "nos", "on", "ont", "or", "ou", "oui", "par", "pas", "peu", "que", "qui", "sa", "se", "ses",
    "si", "soi", "son", "sur", "ta", "te", "tes", "toi", "ton", "tu", "un", "une", "va", "vos",
    "vu",
    # English
    "all", "am", "an", "and", "any", "are", "as", "at", "be", "but", "by", "can", "did", "do",
    "due", "for", "get", "go", "had", "has", "her", "him", "his", "how", "if", "in", "is", "it",
    "its", "may", "my", "new", "no", "nor", "not", "now", "of", "off", "one", "our", "out", "own",
    "pay", "per", "see", "set", "she", "so", "the", "to", "too", "two", "up", "us", "use", "via",
    "was", "we", "who", "why", "yes", "yet", "you",
    # Particles and titles
    "al", "da", "das", "del", "den", "der", "di", "dos", "dr", "el", "ibn", "mlle", "mme", "mr",
    "mrs", "ms", "san", "st", "ste", "van", "von",
    # Forms, units, currencies, our own placeholders
    "bic", "bp", "cfa", "cm", "eur", "fax", "gbp", "gps", "ht", "id", "jpg", "kg", "km", "lot",
    "mm", "net", "nr", "pdf", "png", "ref", "rib", "rue", "tel", "ttc", "tva", "usd", "vat", "xaf",
    "xof",
})  # fmt: skip

# After these comes a name, also in small letters.
BEFORE_NAMES = frozenset({
    "chez", "dr", "elhadj", "famille", "family", "feu", "hadj", "hadja", "madame", "miss", "mlle",
    "mme", "monsieur", "mr", "mrs", "ms", "veuve",
})  # fmt: skip
