"""Words in pairs and groups for looking into embeddings, and English glosses of Chinese words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

# Capitals and countries: the list "capital-common-countries" of Mikolov et al. (2013).
_CAPITALS = """
athens-greece baghdad-iraq bangkok-thailand beijing-china berlin-germany bern-switzerland cairo-egypt
canberra-australia hanoi-vietnam havana-cuba helsinki-finland islamabad-pakistan kabul-afghanistan london-england
madrid-spain moscow-russia oslo-norway ottawa-canada paris-france rome-italy stockholm-sweden tehran-iran tokyo-japan
"""
CAPITALS = tuple(tuple(pair.split("-")) for pair in _CAPITALS.split())

GROUPS = {
    "countries": "美国 America,英国 Britain,法国 France,德国 Germany,日本 Japan,韩国 Korea,俄罗斯 Russia",
    "cities": "北京 Beijing,上海 Shanghai,广州 Guangzhou,武汉 Wuhan,成都 Chengdu,杭州 Hangzhou",
    "numbers": "三 three,四 four,五 five,六 six,七 seven,八 eight",
    "people": "母亲 mother,父亲 father,孩子 child,妻子 wife,老人 old person",
    "change": "增长 grow,下降 fall,上升 rise,提高 raise,减少 lessen",
}

_GLOSSES = """
北京 Beijing|上海 Shanghai|杭州 Hangzhou|成都 Chengdu|长春 Changchun|武汉 Wuhan|乌鲁木齐 Urumqi|昆明 Kunming
广州 Guangzhou|南京 Nanjing|天津 Tianjin|沈阳 Shenyang|西安 Xi'an|大连 Dalian|重庆 Chongqing|济南 Jinan
哈尔滨 Harbin|南昌 Nanchang|福州 Fuzhou|郑州 Zhengzhou|石家庄 Shijiazhuang|深圳 Shenzhen|长沙 Changsha
兰州 Lanzhou|太原 Taiyuan|合肥 Hefei|青岛 Qingdao|拉萨 Lhasa|呼和浩特 Hohhot|贵阳 Guiyang|海口 Haikou
东京 Tokyo|巴黎 Paris|华盛顿 Washington|伦敦 London|首都 capital|莫斯科 Moscow|香港 Hong Kong|六日 the sixth
美国 America|英国 Britain|法国 France|德国 Germany|俄罗斯 Russia|智利 Chile|联邦 federal|鲁宾 Rubin|日本 Japan
出访 visit abroad|韩国 Korea|伊拉克 Iraq|意大利 Italy|加拿大 Canada|以色列 Israel|伊朗 Iran|白宫 White House
俄 Russia (short)|美 America (short)|英 Britain (short)|法 France (short)|西班牙 Spain|泰国 Thailand
克林顿 Clinton|阿拉法特 Arafat|特使 envoy|内塔尼亚胡 Netanyahu|穆巴拉克 Mubarak|叶利钦 Yeltsin|萨达姆 Saddam
哈塔米 Khatami|总统 president|布莱尔 Blair|希拉克 Chirac|总理 premier|安南 Annan|会晤 meet|国会 congress
五 five|三 three|四 four|七 seven|六 six|八 eight|九 nine|两 two|二 two|十 ten|一 one|３ 3|４ 4|５ 5|６ 6|７ 7|８ 8
几 several|十几 a dozen or so|１２ 12|１０ 10|十二 twelve|１５ 15|２ 2|９ 9|１１ 11
增长 grow|速度 speed|增长率 growth rate|增速 pace of growth|涨幅 rise|通货膨胀率 inflation rate|回落 fall back
基数 base|４％ 4 %|下降 fall|上升 rise|增加 increase|上涨 go up|达 reach|同比 year on year|递增 increase steadily
增长点 point of growth|幅度 extent|个百分点 percentage points|百分点 percentage point|通胀率 inflation|低于 lower than
高于 higher than|超过 exceed|减少 lessen|预计 expected|年均 yearly mean|总产值 total output|出口额 exports
母亲 mother|老人 old person|父亲 father|她们 they (women)|父母 parents|上学 go to school|战友 comrade|儿子 son
看见 see|妈妈 mum|爸爸 dad|女儿 daughter|妻子 wife|丈夫 husband|孩子 child|爷爷 grandfather|奶奶 grandmother
她 she|弟弟 younger brother|哥哥 elder brother|姐姐 elder sister|家里 at home|大娘 auntie|小孩 child|兄弟 brothers
病 illness|哭 weep|我 I|他 he|老伴 spouse|回家 go home|眼泪 tears|泪水 tears|自己 oneself|儿女 children
春节 Spring Festival|元旦 New Year's Day|节日 festival|佳节 holiday|来临 approach|联欢 gala|晚会 evening show
喜庆 festive|新春 new spring|新年 new year|前夕 eve|祝贺 congratulate|欢度 celebrate|迎接 welcome|期间 during
拜年 New Year greetings|到来 arrival|虎年 Year of the Tiger|除夕 New Year's Eve|慰问 send regards|即将 soon
非常 very|值得 worth|可贵 admirable|认同 agree|十分 very|极为 extremely|极其 extremely|更加 even more|意义 meaning
很 very|相当 quite|比较 rather|特别 especially|更 more|太 too|重要 important|最 most|也 also|确实 indeed
宣布 announce|出口 export|迎 welcome|来说 as for|下午 afternoon|上午 morning|今天 today|昨天 yesterday|晚 evening
前往 go to|去年 last year|今年 this year|１９９７年 1997|１９９６年 1996|１９９５年 1995|１９９４年 1994|１９９１年 1991
飞机 aircraft|屏幕 screen|干旱 drought|跃 leap|厘米 centimetre|洪水 flood|欧盟 European Union|会谈 talks|中午 noon
深刻 profound|尤为 particularly|显得 appear|满意 satisfied|难得 rare|高兴 glad|感到 feel|有益 useful
"""


def glosses() -> dict[str, str]:
    """English for the Chinese words that the chapter's tables show."""
    pairs = [entry.split(" ", 1) for line in _GLOSSES.strip().splitlines() for entry in line.split("|")]
    return {word.strip(): gloss.strip() for word, gloss in pairs}


def groups(known: dict[str, int]) -> dict[str, dict[str, int]]:
    """Groups of Chinese words for a map: {group: {English: row}}, of those words that `known` has a row for."""
    parts = {name: [pair.split(" ", 1) for pair in line.split(",")] for name, line in GROUPS.items()}
    return {name: {gloss: known[word] for word, gloss in pairs if word in known} for name, pairs in parts.items()}


def tag_counts(tagged: Iterable[Sequence[tuple[str, str]]]) -> Counter[tuple[str, str]]:
    """How often each word, in lower case, has each tag."""
    return Counter((word.lower(), tag) for sentence in tagged for word, tag in sentence)


def by_rule(
    counts: Mapping[tuple[str, str], int], tag: str, other: str, ending: str, most: int = 23
) -> list[tuple[str, str]]:
    """Pairs (word, word + ending): the `most` frequent words with one tag whose longer form has the other tag.

    counts: see `tag_counts`. The longer form has to occur five times or more with that tag, so that slips of the
    tagging do not count.
    """
    ranked = sorted((-n, word) for (word, kind), n in counts.items() if kind == tag)
    return [(word, word + ending) for _, word in ranked if counts.get((word + ending, other), 0) >= 5][:most]
