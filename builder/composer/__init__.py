"""The embedded writer's engine: a brief and the banks in, finished prose out. Pure: no path, clock or network.

    grammar   one bank variant -> sentences in a voice (pronouns, tense, names)
    telling   what one document has already said: cast, decks of phrases, who has been named
    story     a brief -> the beats of one story, long enough for its band
    layouts   beats -> what the form looks like on the page
    speech    beats -> turns of speech and action, for forms that are spoken
    discourse, advice   the two recipes that are no fiction
    reasons   a principle's own reason as a clause a character can say
"""
