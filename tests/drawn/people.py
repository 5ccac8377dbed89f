"""Invented clients, addresses and labels. Nobody here exists; every combination is made up."""

from __future__ import annotations

FIRST_NAMES = (
    "Åsa", "Örjan", "Älva", "Björn", "Märta", "Göran", "Lovisa", "Tryggve", "Ingegärd", "Håkan",
    "Sölve", "Ebba", "Viggo", "Hjördis", "Malin", "Torsten", "Linnéa", "Kerstin", "Östen", "Pär",
    "Gudrun", "Ylva", "Rasmus", "Petronella", "Jörgen", "Solveig", "Iris", "Väinö", "Ulla", "Idun",
)  # fmt: skip
LAST_NAMES = (
    "Sjögren", "Åkerblad", "Lindholm", "Östervik", "Ängkvist", "Hällström", "Kvarnby", "Fagerlöv",
    "Björkhed", "Törnfeldt", "Wallgård", "Ekåsen", "Rönnbäck", "Stensjö", "Granvik", "Norrhed",
    "Berg-Lindqvist", "Lövdahl", "Ståhlberg", "Mörkö", "Ivarsdal", "Ljungfors", "Hjalmvik",
    "Illerstad", "Klintholm", "Fjällman", "Nygårdh", "Brännlid", "Säterby", "Widegård",
)  # fmt: skip
# Written name, and the customer name that the canonical shift keeps (company words cut).
COMPANIES = (
    ("Kvarnholmens Bygg AB", "Kvarnholmens Bygg"),
    ("Brf Sjöstjärnan", "Brf Sjöstjärnan"),
    ("Ekbackens Förskola", "Ekbackens Förskola"),
    ("Tandläkarna Vågen HB", "Tandläkarna Vågen"),
)
STREETS = (
    "Granitvägen", "Hällebacksvägen", "Åkerstigen", "Skiffervägen", "Ljungbacken",
    "Norra Ängsgatan", "Björkåsvägen", "Strandstigen", "Östra Kyrkogatan", "Kaprifolvägen",
    "Gamla Särövägen",
    "Tallstigen", "Lärkvägen", "Fjärilsgatan", "Ringvägen", "Parkgatan", "Ågatan", "Mörtvägen",
    "Södra Hamngatan", "Bergåsliden", "Kungsladugårdsgatan", "Idunagatan", "Illervägen",
    "Vitsippsvägen",
)  # fmt: skip
TOWNS = (
    "Kållered", "Mölndal", "Göteborg", "Lindome", "Onsala", "Billdal", "Kungsbacka", "Särö",
    "Mölnlycke", "Kullavik", "Askim", "Partille", "Lerum",
)  # fmt: skip
# Label as the app writes it, and its type; a client's jobs.
JOBS = (
    ("Städservice", "WORK"), ("Storstädning", "WORK"), ("Omstädning", "WORK"),
    ("Hemstädning", "WORK"), ("Inledande storstädning", "WORK"), ("Reklamation", "WORK"),
    ("Extra städtillfälle", "WORK"), ("Fönsterputs", "WORK"), ("Kylskåpsrengöring", "WORK"),
    ("Ugnsrengöring", "WORK"), ("ClickAndGo", "WORK"), ("Skola", "WORK"), ("Kontor", "WORK"),
    ("Städning", "WORK"),
)  # fmt: skip
# Title, label and type of the rows that have no client.
ACTIVITIES = (
    ("Lunch", "Lunch", "BREAK"),
    ("Rast", "Rast", "BREAK"),
    ("Restid", "Restid", "TRAVEL"),
    ("Inter tid", "Inter tid", "TRAVEL"),
    ("Personalmöte", "Personalmöte", "MEETING"),
    ("Nyckelhantering", "Nyckelhantering", "ADMIN"),
    ("Förberedelser till ISS", "Förberedelser till ISS", "ADMIN"),
    ("Serviceteam - Intern tid", "Intern tid", "ADMIN"),
    ("Vård av barn", "Vård av barn", "LEAVE"),
    ("VAB", "Vård av barn", "LEAVE"),
    ("Semester", "Semester", "LEAVE"),
    ("Tjänstledig del av dag", "Tjänstledig del av dag", "LEAVE"),
    ("Sjukdom (dag 1-14)", "Sjukdom (dag 1-14)", "LEAVE"),
    ("Ej disponibel", "Ej disponibel", "UNAVAILABLE"),
    ("Avbokade uppdrag", "Avbokade uppdrag", "UNAVAILABLE"),
    ("Utbildning (handledarhus)", "Utbildning (handledarhus)", "TRAINING"),
    ("Utbildning", "Utbildning", "TRAINING"),
    ("Tjänstledig", "Tjänstledig", "LEAVE"),
    ("Sjukdom", "Sjukdom", "LEAVE"),
    ("Avokade uppdrag", "Avbokade uppdrag", "UNAVAILABLE"),
)
