"""Writes src/onetake/accounts/common_passwords.txt, the passwords that nobody may choose (ASVS 6.2.4).

Sources: words and keyboard walks that every published survey of leaked passwords finds at the top, Chinese habits
included (pinyin phrases, lucky numbers), combined by the patterns that people use to reach eight characters: a digit
run, a year, an exclamation mark, a word twice, two short words. Shorter results are left out because the length rule
refuses them anyway. The output is lower case, sorted, one per line, and the same at every run.
"""

import itertools
import sys
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src/onetake/accounts/common_passwords.txt"
MIN_CHARS = 8


def _words(text: str) -> list[str]:
    return text.split()


KNOWN = _words("""
password passw0rd p@ssword p@ssw0rd pa55word pa$$word passwort motdepasse contrasena senha123 parola123 haslo123
mypassword yourpassword thepassword newpassword oldpassword testpassword password! password? password. passwords
12345678 123456789 1234567890 12345678910 123456789a 1234567891 0123456789 01234567 012345678 87654321 987654321
9876543210 0987654321 098765432 11111111 111111111 1111111111 00000000 000000000 0000000000 22222222 33333333 44444444
55555555 66666666 666666666 77777777 777777777 88888888 888888888 8888888888 99999999 999999999 9999999999 12341234
123123123 12121212 123454321 1234554321 11223344 1122334455 112233445566 10203040 1020304050 01020304 12344321 11112222
12312312 123321123 1230123 147258369 147852369 159357456 159753456 741852963 789456123 987456321 963852741 456789123
100200300 102030405060 13579246 135792468 24681012 246810121 31415926 314159265 3141592654 27182818 16777216 13131313
69696969 420420420 520131420 52013140 5201314520 1314520520 13145200 52105210 52052052 520520520 5211314 52113140
147147147 789789789 456456456 321321321 654654654 987987987 159159159 753753753 357357357 951753456 12365478 123654789
qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 qwerty12345 qwerty123456 1qaz2wsx 1qaz2wsx3edc 1q2w3e4r 1q2w3e4r5t
1q2w3e4r5t6y q1w2e3r4 q1w2e3r4t5 qazwsxedc qazwsx123 qazwsxedcrfv zaq12wsx zaq1zaq1 zaq1xsw2 xsw21qaz !qaz2wsx 1qazxsw2
qweasdzxc qweasd123 asdfghjk asdfghjkl asdfghjkl; asdf1234 asdfasdf asdasdasd asdfqwer qwerasdf qwer1234 qwertyqwerty
zxcvbnm1 zxcvbnm, zxcvbnm123 zxcvzxcv zxcv1234 poiuytrewq lkjhgfdsa mnbvcxz1 qwaszx12 asdzxc123 q1q1q1q1 w2w2w2w2
aaaaaaaa aaaaaaaaa aaaa1111 aabbccdd abcdefgh abcdefghi abcdefg1 abcd1234 abc12345 abc123456 abc123abc a1b2c3d4
a1b2c3d4e5 a1234567 a12345678 a123456789 aa123456 aa12345678 aaa12345 as123456 q1234567 q12345678 qq123456 qq123123
qq12345678 z1234567 z12345678 w1234567 x1234567 s1234567 m1234567 k1234567 l1234567 123456aa 123456ab 123456abc
1234567a 12345678a 123456789q 123456qq 1234qwer 12345qwert 123qweasd 123qweasdzxc 123qwe123 123qwe!@# 123abc123
woaini1314 woaini520 woaini521 woaini123 woaini123456 woainima 5201314a a5201314 aini1314 iloveyou iloveyou1 iloveyou2
iloveyou! iloveu123 ilovehim iloveher ilovejesus ilovemom ilovedad iloveme1 loveyou1 loveme123 caonima123 wodemima
nihao123 nihaonihao zhongguo zhongguo1 zhonghua wangyang zhangwei zhanglei wangwei1 liuliu66 yangyang xiaoxiao
tiantian feifei123 mimashi123 meiyoumima beijing2008 shanghai guangzhou shenzhen taiwan123 hongkong taipei101
administrator admin123 admin1234 admin12345 admin123456 admin888 admin@123 adminadmin admin2024 admin2025 admin2026
root1234 rootroot toor1234 test1234 testtest test12345 testing123 testuser user1234 useruser guest123 guestguest
welcome1 welcome123 welcome! letmein1 letmein123 letmein! letmeinnow changeme changeme1 changeme123 changeit default1
default123 secret123 secretsecret topsecret access14 access123 trustno1 trustnoone whatever whatever1 nothing1
nothing123
computer internet facebook google123 youtube1 twitter1 linkedin instagram whatsapp telegram microsoft windows10
samsung1 iphone123 android1 nokia123 superman batman123 spiderman ironman1 wolverine starwars startrek pokemon1
pikachu1 naruto123 dragonball onepiece minecraft roblox123 fortnite counterstrike warcraft starcraft diablo123
football football1 baseball baseball1 basketball softball volleyball hockey123 soccer123 liverpool liverpool1
arsenal1 chelsea1 chelsea123 manchester manutd123 barcelona realmadrid juventus1 cristiano ronaldo7 messi123
princess princess1 sunshine sunshine1 sunflower butterfly beautiful gorgeous handsome precious chocolate cupcake1
strawberry blueberry pineapple watermelon cheesecake elephant dolphin1 dolphins kangaroo hamster1 squirrel cheyenne
michelle michael1 jennifer jessica1 jordan23 anthony1 alexander alexandra christopher christian christine danielle
elizabeth benjamin jonathan nicholas patrick1 samantha stephanie victoria veronica valentina isabella gabriela
charlie1 charlotte brittany courtney daniel123 matthew1 andrew123 joshua123 robert123 william1 thomas123 richard1
mercedes porsche911 ferrari1 lamborghini corvette mustang1 camaro123 harley123 yamaha123 kawasaki ducati123 toyota123
blink182 metallica slipknot nirvana1 linkinpark greenday eminem123 beatles1 rockstar rocknroll guitar123 drummer1
january1 february september october1 november december monday123 tuesday1 wednesday thursday friday13 saturday sunday123
blessed1 jesus123 jesuschrist godisgood godislove heaven123 angel123 angels123 faith123 spirit123 trinity1 devil666
fuckyou1 fuckyou2 fuckyou123 fuckoff1 asshole1 bullshit shithead blowjob1 pussy123 hotmail1 hotmail123 yahoo123 gmail123
matrix123 phoenix1 thunder1 lightning hurricane tornado1 midnight moonlight starlight rainbow1 snowball snowflake
cowboys1 steelers patriots packers1 yankees1 lakers24 redskins eagles123 raiders1 broncos1 dallas123 chicago1 newyork1
california florida1 texas123 london123 paris123 germany1 deutschland england1 scotland ireland1 australia canada123
brasil123 espana123 mexico123 india123 japan123 china123 korea123 russia123 vietnam1 thailand indonesia singapore
passport master123 mastermind shadow123 killer123 monkey123 dragon123 ninja123 hunter123 hunter12 ranger123 scooter1
cookie123 pepper123 ginger123 bailey123 buster123 tigger123 maggie123 snoopy123 sophie123 lovely123 flower123 summer123
thuglife gangster gangsta1 playboy1 pimpin123 marlboro heineken budweiser coca-cola cocacola1 pepsi123 qwertz123
azerty123
azertyuiop asdfghjklo 1234abcd 1234asdf 12qwaszx 1a2b3c4d 1a2s3d4f 4rfv5tgb 5tgb6yhn 7ujm8ik, 0okm9ijn zaqxswcde
""")

WORDS = _words("""
admin root user test guest demo login welcome hello secret access master server system office manager support service
password pass passwd letmein changeme default qwerty qwert asdf asdfgh zxcvbn zxcvbnm qazwsx abc abcd abcde abcdef
abc123 love loveyou iloveyou iloveu lover baby babygirl honey sweet sweetie angel princess prince queen king star
sunshine
dragon monkey tiger lion eagle falcon panda shark wolf bear horse puppy kitty kitten doggy snoopy bunny phoenix
football baseball soccer hockey tennis golf runner racing winner player gamer killer hunter ninja samurai pirate wizard
shadow matrix cookie banana orange cherry apple lemon pepper ginger coffee pizza summer winter spring autumn flower
superman batman spider pokemon pikachu naruto hello123 happy lucky smile peace freedom money music guitar rock metal
michael jordan jessica daniel andrew joshua robert thomas charlie jennifer ashley amanda nicole michelle anthony david
james john mike alex chris kevin brian jason justin maria anna emma sarah laura julia sophie lisa linda nancy peter
google yahoo hotmail gmail apple iphone samsung nokia windows linux ubuntu debian oracle cisco docker database mysql
woaini nihao wangwei zhangwei zhang wang chen yang zhao huang zhou xiaoming laopo laogong baobao zhongguo china beijing
taiwan taipei hongkong mima qq qaz wsx aaa aaaa zzz xxx asd zxc qwe qweasd onetake video stream live obs media camera
""")

TAILS = _words("""
1 12 123 1234 12345 123456 1234567 12345678 123456789 0 00 000 01 007 11 111 1111 111111 22 23 321 4321 69 77 88 666
777 888 8888 99 999 520 521 1314 5201314 ! !! 1! 123! @123 @1234 #123 _123 2000 2008 2010 2012 2015 2018 2019 2020
2021 2022 2023 2024 2025 2026 2024! 2025! 2026! 1990 1995 1999 abc qwe
""")
SHORT = _words("love baby cool good best king star blue home game life girl boys lucky happy super admin hello")


def candidates() -> set[str]:
    """Every listed or combined password, lower case, of at least eight characters."""
    combined = itertools.chain(
        KNOWN,
        WORDS,
        (word + tail for word in WORDS for tail in TAILS),
        (word + word for word in WORDS),
        (first + second for first, second in itertools.permutations(SHORT, 2)),
        (digit * count for digit in "0123456789abcdefghijklmnopqrstuvwxyz" for count in range(8, 13)),
        (f"{year}{month:02}{day:02}" for year in (1990, 2000) for month in range(1, 13) for day in (1, 10, 20)),
    )
    return {text.lower() for text in combined if len(text) >= MIN_CHARS}


def main() -> int:
    """Write the list; with `--check` only say whether it is up to date."""
    text = "\n".join(sorted(candidates())) + "\n"
    if "--check" in sys.argv:
        return int(TARGET.read_text("utf-8") != text)
    TARGET.write_text(text, "utf-8")
    print(f"{len(text.splitlines())} passwords written to {TARGET.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
