"""Findings in the reader's language. English is written where they are found; French is here."""

from collections.abc import Mapping, Sequence
from typing import Any

FRENCH = "fr"
# Message and hint by code. A test holds this against every code that there is.
_FRENCH: Mapping[str, tuple[str, str]] = {
    "MISSING_EXIF_TIMESTAMP": (
        "La photo ne dit pas quand elle a été prise.",
        "Envoyez l'original pris par l'appareil, pas une copie passée par une messagerie.",
    ),
    "STALE_TIMESTAMP": (
        "La photo est plus ancienne que ce que l'étape permet.",
        "Prenez une nouvelle photo sur place et envoyez-la aussitôt.",
    ),
    "FUTURE_TIMESTAMP": (
        "L'heure de la photo est dans le futur.",
        "Réglez la date, l'heure et le fuseau de l'appareil, puis reprenez la photo.",
    ),
    "TIMEZONE_UNKNOWN": (
        "La photo ne dit pas dans quel fuseau horaire elle a été prise.",
        "Activez la position de l'appareil : elle donne aussi l'heure exacte.",
    ),
    "MISSING_GPS": (
        "La photo ne dit pas où elle a été prise.",
        "Autorisez l'appareil photo à enregistrer la position, puis reprenez la photo.",
    ),
    "GEOFENCE_VIOLATION": (
        "La photo a été prise hors du lieu convenu.",
        "Prenez la photo sur le lieu convenu.",
    ),
    "GEOFENCE_UNCERTAIN": (
        "La position de la photo est trop vague pour dire si elle est dans le lieu convenu.",
        "Attendez que l'appareil trouve mieux sa position, dehors de préférence.",
    ),
    "NOTHING_TO_SEE": (
        "L'image est trop petite, trop sombre ou trop unie pour montrer quelque chose.",
        "Prenez une nouvelle photo de l'ouvrage, avec assez de lumière et en taille normale.",
    ),
    "REUSED_IMAGE": (
        "Une image presque identique a déjà été envoyée.",
        "Comparez les deux preuves avant de décider.",
    ),
    "REUSED_SHOT": (
        "Une autre photo dit avoir été prise à la même seconde au même endroit.",
        "Comparez les deux : l'une peut être une partie de l'autre, ou une copie retouchée.",
    ),
    "IMPOSSIBLE_TRAVEL": (
        "Personne ne va si vite du lieu d'une autre photo au lieu de celle-ci.",
        "Comparez les deux photos : lieu ou heure changés, ou deux personnes différentes.",
    ),
    "GPS_TIME_DIFFERS": (
        "L'heure GPS et l'horloge de l'appareil ne concordent pas.",
        "Réglez l'horloge de l'appareil.",
    ),
    "EDITING_SOFTWARE": (
        "La photo a été enregistrée par un logiciel de retouche.",
        "Cherchez ce qui a pu être changé, et demandez l'original en cas de doute.",
    ),
    "SCREENSHOT_LIKE": (
        "L'image ressemble à une capture d'écran.",
        "Demandez la photo d'origine si elle montre un écran.",
    ),
    "NO_CAMERA": (
        "La photo ne nomme pas l'appareil qui l'a prise.",
        "Les copies des messageries ont perdu ce nom ; demandez l'original en cas de doute.",
    ),
    "REUSED_FILE": (
        "Le même fichier figure dans une preuve d'autres parties.",
        "Comparez les deux preuves avant de décider.",
    ),
    "RESUBMITTED_FILE": (
        "Le même fichier a déjà été refusé.",
        "Comparez les deux preuves avant de décider.",
    ),
    "NOT_AN_INVOICE": (
        "Le document se dit avoir, devis, bon de commande, facture pro forma ou autre.",
        "Demandez la facture elle-même ; aucun de ceux-là ne dit que quelque chose est dû.",
    ),
    "SPECIAL_INVOICE": (
        "Le document est une facture particulière : rectificative, d'acompte, partielle ou autre.",
        "Demandez ce qu'elle remplace ou solde, pour que rien ne soit payé deux fois.",
    ),
    "INVOICE_TOTAL_UNREADABLE": (
        "Le total du document n'a pas pu être lu.",
        "Lisez-le sur la page ; un scan plus net ou le PDF d'origine se lit mieux.",
    ),
    "INVOICE_CURRENCY_UNREADABLE": (
        "La devise du document n'a pas pu être lue.",
        "Lisez-la sur la page ; une facture nomme sa devise à côté du total.",
    ),
    "AMOUNT_DIFFERS": (
        "Le total n'est pas le montant convenu.",
        "Comparez le total de la page avec l'accord, et demandez en cas de doute.",
    ),
    "MILESTONE_AMOUNT_DIFFERS": (
        "Le total n'est pas le montant de l'étape.",
        "L'étape paie son propre montant, quoi que dise la facture ; demandez ce qu'elle couvre.",
    ),
    "CURRENCY_DIFFERS": (
        "La devise n'est pas celle qui a été convenue.",
        "Comparez la devise de la page avec l'accord.",
    ),
    "IBAN_DIFFERS": (
        "Le compte du document n'est pas celui qui a été convenu, ou n'est pas valide.",
        "Appelez le fournisseur à un numéro connu avant tout paiement sur un autre compte.",
    ),
    "IBAN_INVALID": (
        "Le numéro de compte du document a une clé de contrôle fausse.",
        "Comparez-le avec la page : il est mal lu, mal imprimé ou inventé.",
    ),
    "DATE_OUT_OF_RANGE": (
        "La date du document est hors des jours convenus.",
        "Demandez pourquoi, ou demandez le document de la période convenue.",
    ),
    "SUPPLIER_DIFFERS": (
        "Le document vient de quelqu'un d'autre que convenu.",
        "Comparez le nom de la page ; une enseigne peut différer du nom convenu.",
    ),
    "INVOICE_NUMBER_DIFFERS": (
        "Le numéro de la facture n'est pas celui qui a été convenu.",
        "Comparez le numéro de la page avec l'accord.",
    ),
    "REUSED_INVOICE_NUMBER": (
        "Une autre preuve porte une facture du même numéro et du même fournisseur.",
        "Comparez les deux preuves avant de décider.",
    ),
    "XML_DIFFERS_FROM_PAGE": (
        "Les données de facture contenues dans le fichier disent autre chose que la page, ou plus.",
        "Ne croyez ni l'une ni l'autre avant que le fournisseur ait dit laquelle vaut.",
    ),
    "VALUE_UNSURE": (
        "Une valeur importante était difficile à lire, et ce qui a été lu peut être faux.",
        "Lisez-la sur la page ; une valeur devinée n'a été comparée à rien.",
    ),
    "COUNTRY_DIFFERS": (
        "L'émetteur du document est enregistré dans un autre pays que convenu.",
        "Demandez qui livre, et où ; un fournisseur peut avoir plusieurs sièges.",
    ),
    "CLAIM_UNREADABLE": (
        "Ce qui a été envoyé comme date n'en est pas une.",
        "Fiez-vous au document ; demandez à l'expéditeur si la date importe.",
    ),
    "CLAIM_DIFFERS": (
        "Le document ne dit pas la même chose que ce qui a été envoyé avec lui.",
        "C'est le document qui compte ; demandez à l'expéditeur si la différence importe.",
    ),
    "PAGES_NOT_READ": (
        "Toutes les pages du document n'ont pas été lues.",
        "Regardez les autres pages vous-même, ou faites-le relire, avec plus de temps.",
    ),
    "XML_UNREADABLE": (
        "Les données de facture contenues dans le fichier sont endommagées.",
        "Ce qui a été lu vient de la page seule.",
    ),
    "XML_AMBIGUOUS": (
        "Le fichier porte deux fois des données de facture, et elles diffèrent.",
        "Fiez-vous aux pages, et demandez au fournisseur lesquelles valent.",
    ),
    "ATTACHMENTS_NOT_READ": (
        "Le fichier porte des pièces jointes qui n'ont pas été lues.",
        "Elles ne font pas partie de ce qui a été vérifié.",
    ),
    "OCR_OFF": (
        "Le document est une image, et les images ne sont pas lues ici.",
        "Lisez-le vous-même, faites-le relire quand l'OCR marche, ou demandez un PDF avec texte.",
    ),
    "OCR_FAILED": (
        "La lecture d'une page comme image n'a pas réussi.",
        "Faites-la relire, ou lisez-la vous-même.",
    ),
    "OCR_UNAVAILABLE": (
        "Le moteur qui lit les images ne marche pas sur cette installation.",
        "L'exploitant doit y regarder ; faites relire le document ensuite.",
    ),
    "PAGE_NOT_RENDERED": (
        "Une page n'a pas pu être dessinée, donc pas lue.",
        "Téléchargez l'original, et regardez-le avec prudence.",
    ),
    "HIDDEN_TEXT": (
        "Le fichier dit quelque chose que ses pages ne montrent pas.",
        "Fiez-vous aux pages, et demandez au fournisseur comment le document a été fait.",
    ),
    "SEVERAL_IBANS": (
        "Le document nomme plusieurs comptes où payer ; un seul a été comparé.",
        "Demandez au fournisseur, à un numéro connu, quel compte vaut, avant tout paiement.",
    ),
    "SEVERAL_INVOICES": (
        "Le fichier contient plusieurs factures ; les valeurs comparées peuvent en mêler deux.",
        "Comparez chacune avec la page, et demandez un fichier par facture.",
    ),
    "ENGINES_DISAGREE": (
        "Deux lectures de la page ont donné des valeurs différentes.",
        "Comparez ce qui a été lu avec la page ; la valeur la mieux étayée est montrée.",
    ),
    "LOW_CONFIDENCE": (
        "Une bonne part du document était difficile à lire.",
        "Comparez chaque valeur avec la page ; un scan plus net se lit mieux.",
    ),
    "DOCUMENT_UNREADABLE": (
        "Le document n'a pas pu être lu.",
        "Lisez-le vous-même, ou demandez-le dans un autre format.",
    ),
    "DOCUMENT_NOT_READ": (
        "Le document n'a pas été lu : la machine a renoncé après plusieurs essais.",
        "Lisez-le vous-même, ou faites-le relire plus tard.",
    ),
}
# The same codes, where what was sent along says nothing, and not the document.
_FRENCH_OF_CLAIMS: Mapping[str, tuple[str, str]] = {
    "INVOICE_TOTAL_UNREADABLE": (
        "Ce qui a été envoyé comme total n'est pas un montant.",
        "Fiez-vous au document ; demandez à l'expéditeur si le montant importe.",
    ),
    "INVOICE_CURRENCY_UNREADABLE": (
        "Ce qui a été envoyé comme devise n'en est pas une.",
        "Fiez-vous au document ; demandez à l'expéditeur si la devise importe.",
    ),
}


def worded(findings: Sequence[Mapping[str, Any]], language: str) -> list[dict[str, Any]]:
    """The findings with message and hint in `language`; English where there is no other."""
    if language != FRENCH:
        return [dict(finding) for finding in findings]
    return [_in_french(finding) for finding in findings]


def _in_french(finding: Mapping[str, Any]) -> dict[str, Any]:
    code = finding["code"]
    words = _FRENCH.get(code)
    if "claimed" in (finding.get("data") or {}):
        words = _FRENCH_OF_CLAIMS.get(code, words)
    return dict(finding) if words is None else {**finding, "message": words[0], "hint": words[1]}
