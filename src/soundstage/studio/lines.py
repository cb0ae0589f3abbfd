"""What the studio's people say: small grammars in six languages, in pools that share no line.

A line is an opener, a core and an ending, openers and endings sometimes empty. Every core belongs
to exactly one pool, so that no line of one pool can occur in another. Japanese is in kana, which
the synthesizer pronounces.
"""

from soundstage.studio.names import POOLS

_OPENERS = {
    "en": "|listen,|well,|my friend,|I told you,|you know,|between us,|honestly,|look,",
    "es": "|escucha,|bueno,|amigo mío,|ya te lo dije,|sabes,|entre nosotros,|la verdad,|mira,",
    "fr": "|écoute,|eh bien,|mon ami,|je te l'ai dit,|tu sais,|entre nous,|franchement,|regarde,",
    "de": "|hör zu,|na gut,|mein Freund,|ich sagte doch,|weißt du,|unter uns,|ehrlich,|schau,",
    "it": "|ascolta,|allora,|amico mio,|te l'ho detto,|sai,|tra noi,|davvero,|guarda,",
    "ja": "|きいて、|さあ、|ともだちよ、|いったでしょう、|ねえ、|ここだけのはなし、|しょうじき、|みて、",
}
_ENDINGS = {
    "en": "|before it gets dark|this time|with your brother|after all these years|as I remember"
    "|for the last time|without a word|when nobody was looking",
    "es": "|antes de que anochezca|esta vez|con tu hermano|después de tantos años|según recuerdo"
    "|por última vez|sin decir nada|cuando nadie miraba",
    "fr": "|avant la nuit|cette fois|avec ton frère|après tant d'années|si je me souviens bien"
    "|pour la dernière fois|sans un mot|quand personne ne regardait",
    "de": "|bevor es dunkel wird|dieses Mal|mit deinem Bruder|nach all den Jahren|soweit ich weiß"
    "|zum letzten Mal|ohne ein Wort|als niemand hinsah",
    "it": "|prima che faccia buio|questa volta|con tuo fratello|dopo tanti anni|se ricordo bene"
    "|per l'ultima volta|senza una parola|quando nessuno guardava",
    "ja": "|くらくなるまえに|こんどこそ|おにいさんと|なんねんもたって|おぼえているかぎり"
    "|さいごにもういちど|なにもいわずに|だれもみていないときに",
}
# Cores per language, a string for each pool in the order of POOLS; twelve for the benchmarks.
_CORES = {
    "en": (
        "the train left from the other platform|she keeps the letters in a wooden box|we have to"
        " cross the bridge on foot|nobody believes the old captain|the keys were under the carpet"
        "|he wants to sell the whole orchard",
        "the doctor came back without his coat|there is a light in the tower|I never learned to"
        " swim properly|your sister bought the yellow house|the judge asked for more time|it snowed"
        " in the valley again",
        "the museum closes early on Mondays|my grandfather repaired clocks|we lost the map near the"
        " lake|they painted every door blue|the soup needs a little more salt|that violinist plays"
        " by heart"
        "|the ferry waits until the tide turns|a goose chased us through the park"
        "|her glasses fell into the fountain|winter arrives sooner up here"
        "|the tailor measures everything twice|someone moved the piano upstairs",
        "the harbour smells of tar and rope|a stranger paid for the tickets|the radio works only"
        " at night|he wrote down the wrong number|those mountains look close today|the baker's"
        " daughter won the race",
    ),
    "es": (
        "el tren salió de otra vía|ella guarda las cartas en una caja|hay que cruzar el puente a"
        " pie|nadie cree al viejo capitán|las llaves estaban bajo la alfombra|quiere vender todo"
        " el huerto",
        "el médico volvió sin su abrigo|hay una luz en la torre|nunca aprendí a nadar bien|tu"
        " hermana compró la casa amarilla|el juez pidió más tiempo|nevó otra vez en el valle",
        "el museo cierra temprano los lunes|mi abuelo arreglaba relojes|perdimos el mapa cerca del"
        " lago|pintaron de azul cada puerta|a la sopa le falta un poco de sal|esa violinista toca"
        " de memoria"
        "|el barco espera a que suba la marea|un ganso nos persiguió por el parque"
        "|sus gafas cayeron en la fuente|aquí el invierno llega antes"
        "|el sastre lo mide todo dos veces|alguien subió el piano al segundo piso",
        "el puerto huele a brea y a cuerda|un desconocido pagó las entradas|la radio solo funciona"
        " de noche|apuntó el número equivocado|hoy las montañas parecen cercanas|la hija del"
        " panadero ganó la carrera",
    ),
    "fr": (
        "le train est parti d'un autre quai|elle garde les lettres dans une boîte|il faut traverser"
        " le pont à pied|personne ne croit le vieux capitaine|les clés étaient sous le tapis|il"
        " veut vendre tout le verger",
        "le médecin est revenu sans manteau|il y a une lumière dans la tour|je n'ai jamais appris à"
        " nager|ta sœur a acheté la maison jaune|le juge a demandé un délai|il a encore neigé dans"
        " la vallée",
        "le musée ferme tôt le lundi|mon grand-père réparait des montres|nous avons perdu la carte"
        " près du lac|ils ont peint chaque porte en bleu|la soupe manque un peu de sel|cette"
        " violoniste joue par cœur"
        "|le bateau attend la marée haute|une oie nous a poursuivis dans le parc"
        "|ses lunettes sont tombées dans la fontaine|l'hiver arrive plus tôt ici"
        "|le tailleur mesure tout deux fois|quelqu'un a monté le piano à l'étage",
        "le port sent le goudron et la corde|un inconnu a payé les billets|la radio ne marche que"
        " la nuit|il a noté le mauvais numéro|ces montagnes semblent proches|la fille du boulanger"
        " a gagné la course",
    ),
    "de": (
        "der Zug fuhr von einem anderen Gleis|sie hebt die Briefe in einer Kiste auf|wir müssen zu"
        " Fuß über die Brücke|niemand glaubt dem alten Kapitän|die Schlüssel lagen unter dem"
        " Teppich|er will den ganzen Obstgarten verkaufen",
        "der Arzt kam ohne Mantel zurück|im Turm brennt ein Licht|ich habe nie richtig schwimmen"
        " gelernt|deine Schwester kaufte das gelbe Haus|der Richter bat um mehr Zeit|im Tal hat es"
        " wieder geschneit",
        "das Museum schließt montags früh|mein Großvater reparierte Uhren|wir verloren die Karte am"
        " See|sie strichen jede Tür blau|der Suppe fehlt etwas Salz|diese Geigerin spielt"
        " auswendig"
        "|die Fähre wartet auf die Flut|eine Gans jagte uns durch den Park"
        "|ihre Brille fiel in den Brunnen|hier oben kommt der Winter früher"
        "|der Schneider misst alles zweimal|jemand trug das Klavier nach oben",
        "der Hafen riecht nach Teer und Tau|ein Fremder bezahlte die Karten|das Radio läuft nur"
        " nachts|er schrieb die falsche Nummer auf|die Berge scheinen heute nah|die Tochter des"
        " Bäckers gewann das Rennen",
    ),
    "it": (
        "il treno è partito da un altro binario|lei tiene le lettere in una scatola|dobbiamo"
        " attraversare il ponte a piedi|nessuno crede al vecchio capitano|le chiavi erano sotto il"
        " tappeto|vuole vendere tutto il frutteto",
        "il medico è tornato senza cappotto|c'è una luce nella torre|non ho mai imparato a nuotare"
        "|tua sorella ha comprato la casa gialla|il giudice ha chiesto altro tempo|è nevicato"
        " ancora nella valle",
        "il museo chiude presto il lunedì|mio nonno riparava orologi|abbiamo perso la mappa vicino"
        " al lago|hanno dipinto di blu ogni porta|alla zuppa manca un po' di sale|quella violinista"
        " suona a memoria"
        "|il traghetto aspetta l'alta marea|un'oca ci ha inseguiti nel parco"
        "|gli occhiali sono caduti nella fontana|quassù l'inverno arriva prima"
        "|il sarto misura tutto due volte|qualcuno ha portato su il pianoforte",
        "il porto odora di catrame e di corda|uno sconosciuto ha pagato i biglietti|la radio"
        " funziona solo di notte|ha scritto il numero sbagliato|oggi le montagne sembrano vicine"
        "|la figlia del fornaio ha vinto la gara",
    ),
    "ja": (
        "でんしゃはべつのほーむからでました|かのじょはてがみをはこにしまっています|はしをあるいて"
        "わたらなければなりません|だれもせんちょうをしんじません|かぎはしきもののしたにありました"
        "|かれははたけをぜんぶうりたいのです",
        "おいしゃさんはこーともきずにもどりました|とうにあかりがついています|わたしはおよぎをなら"
        "いませんでした|いもうとさんはきいろいいえをかいました|さいばんかんはじかんをもとめました"
        "|たににまたゆきがふりました",
        "はくぶつかんはげつようびはやくしまります|そふはとけいをなおしていました|みずうみのそばで"
        "ちずをなくしました|どのとびらもあおくぬりました|すーぷにしおがたりません|あのひとはがくふ"
        "なしでひきます"
        "|ふねはしおがみちるのをまっています|がちょうにこうえんでおいかけられました"
        "|めがねがふんすいにおちました|ここではふゆがはやくきます"
        "|したてやはなんどもはかります|だれかがぴあのをにかいへはこびました",
        "みなとはなわのにおいがします|しらないひとがきっぷをはらいました|らじおはよるだけなります"
        "|かれはばんごうをまちがえました|きょうはやまがちかくみえます|ぱんやのむすめがきょうそうに"
        "かちました",
    ),
}


def line(language, rng, pool, choices=None):
    """Return one line (str) of a language that belongs to `pool` of POOLS and to no other.

    choices: the cores to choose from, all of the pool's when None.
    """
    core = rng.choice(choices or cores(language, pool))
    opener = rng.choice(_OPENERS[language].split("|"))
    ending = rng.choice(_ENDINGS[language].split("|"))
    if language == "ja":  # the verb comes last
        return f"{opener}{ending} {core}。".strip()
    text = " ".join(part for part in (opener, core, ending) if part)
    return text[0].upper() + text[1:] + "."


def cores(language, pool):
    """Return the list of cores (str) of a language that only `pool` uses."""
    return _CORES[language][POOLS.index(pool)].split("|")
