#!/usr/bin/env python3
"""JSON Web Key Sets, each with one thing or two changed, and what Kubernetes says
of each (go-jose's decoder behind go-oidc).

    key_sets.py ORACLE_AUTHN > key-sets.txt

The first line has tables; every other one the number of an error, and a key set
in which "~N" is a word of the table.

ORACLE_AUTHN is kubernetes/v1.37's program; see kubernetes/README.md.
"""

import base64
import collections
import hashlib
import itertools
import json
import re
import subprocess
import sys
import tempfile

ISSUER = {"issuer": {"url": "https://a.example", "audiences": ["aud"]}, "claimMappings": {"username": {"claim": "sub", "prefix": ""}}}
# The P-256 key of RFC 7515 appendix A.3.1, and shorter ones that are no secrets.
X, Y = '"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"', '"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"'
# Nobody's.
ZERO = '"%s"' % ("A" * 43)
SOUND = {
    "rsa": {"kty": '"RSA"', "kid": '"x"', "n": '"sXchTGk"', "e": '"AQAB"'},
    "ec": {"kty": '"EC"', "crv": '"P-256"', "x": X, "y": Y},
    "okp": {"kty": '"OKP"', "crv": '"Ed25519"', "x": '"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"'},
    "oct": {"kty": '"oct"', "k": '"c2VjcmV0"'},
}
VALUES = ["null", "5", "true", '"!"', '""', '"AQ"', "[]", "{}", '["!"]', "[5]"]
MEMBERS = ["kty", "kid", "crv", "x5t", "x5t#S256", "use", "alg", "k", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi", "oth", "x5c", "x5u", "key_ops"]


# Of 120 bits, and shorter ones: primes for keys that keep nothing secret.
P, Q = 0xE1B7_7C8A_93F5_0D2B_6A4E_51C9_0F83_A7, 0xC4A9_13E6_5D70_B82F_9E07_36F4_A1D2_B3
SHORT = 0xE1B7_7C8A_93F5_0D2B_6A4E_51C9, 0xC4A9_13E6_5D70_B82F_9E07_36F4


def next_prime(number):
    number |= 1
    while any(number % small == 0 for small in (3, 5, 7, 11, 13, 17, 19, 23)) or not all(miller_rabin(number, a) for a in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
        number += 2
    return number


def miller_rabin(number, base):
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    power = pow(base, odd, number)
    return power in (1, number - 1) or any((power := power * power % number) == number - 1 for _ in range(twos - 1))


def private(**changed):
    """A private RSA key whose numbers go with each other but for what is changed."""
    e = 65537
    p, q = next_prime(P), next_prime(Q)
    while (p - 1) % e == 0:
        p = next_prime(p + 2)
    p, q, e = changed.get("p", p), changed.get("q", q), changed.get("e", e)
    try:
        d = pow(e, -1, abs((p - 1) * (q - 1)))
    except ValueError:
        d = 7
    n, d = changed.get("n", p * q), changed.get("d", d)
    members = {"kty": '"RSA"', "n": integer(n), "e": integer(e), "d": integer(d), "p": integer(p), "q": integer(q)}
    if changed.get("precomputed"):
        members["dp"] = integer(changed.get("dp", d % (abs(p - 1) or 1)))
        members["dq"] = integer(changed.get("dq", d % (abs(q - 1) or 1)))
        try:
            inverse = pow(q, -1, p)
        except ValueError:
            inverse = 7
        members["qi"] = integer(changed.get("qi", inverse))
    return one({**members, **changed.get("members", {})})


def integer(number):
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return '"%s"' % base64.urlsafe_b64encode(data).decode().rstrip("=")


def privates():
    p, q = next_prime(P), next_prime(Q)
    d = pow(65537, -1, (p - 1) * (q - 1))
    close = next_prime(p + 2)
    primes = [0, 1, 2, 3, 4, 5, 7, 9, q, p, p + 1, p >> 3 | 1, close, next_prime(1 << 20), next_prime(1 << 100)]
    for precomputed in (False, True):
        with_crt = {"precomputed": precomputed}
        yield private(**with_crt)
        for prime in primes:
            yield private(p=prime, **with_crt)
            if not precomputed:
                yield private(q=prime)
            if not precomputed:
                yield private(p=prime, n=p * q, d=d)
                yield private(q=prime, n=p * q, d=d)
        yield private(p=q, q=p, **with_crt)
        yield private(p=close, q=p, **with_crt)
        for e in () if precomputed else (0, 1, 2, 3, 4, 5, 7, 17, 257, 65536, 65539, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, (1 << 32) + 1, (1 << 63) + 1, (1 << 64) + 65537):
            yield private(e=e, **with_crt)
            yield private(e=e, d=d, **with_crt)
        for n in () if precomputed else (0, 1, 2, 3, p, q, p * q + 1, p * q + 2, p * q * 3, p * q >> 1, 1 << 256, 1 << 600):
            yield private(n=n, **with_crt)
        for other in (0, 1, 3, d + 1, d + 2, d + (p - 1) * (q - 1) // 4, d % (p - 1), p * q - 1, p * q, p * q + 1, (1 << 240) - 1, d + (p - 1), d + (q - 1)):
            yield private(d=other, **with_crt)
        short = {"p": next_prime(SHORT[0]), "q": next_prime(SHORT[1]), **with_crt}
        for other in (1 << 192, (1 << 192) - 1, 1 << 200):
            yield private(d=other, **short)
    lcm_d = pow(65537, -1, (p - 1) * (q - 1) // 2)
    yield private(d=lcm_d)
    yield private(d=lcm_d, precomputed=True)
    # Small ones, whose d is small, too.
    for small in itertools.combinations((3, 5, 11, 257, 65537), 2):
        for e in (3, 5, 17, 65537):
            yield private(p=small[0], q=small[1], e=e)
            yield private(p=small[1], q=small[0], e=e, precomputed=True)
    for name, right in (("dp", d % (p - 1)), ("dq", d % (q - 1)), ("qi", pow(q, -1, p))):
        for other in (0, 1, right + 1, p, q, p - 1, q - 1, right + p, right + q, 1 << 128, 1 << 192):
            yield private(precomputed=True, **{name: other})
        yield private(precomputed=True, members={name: "null"})
        yield private(precomputed=True, members={name: '""'})
        yield private(members={name: '"AQ"'})


def certificate(*algorithm):
    """A self-signed certificate (DER) and its key's numbers; the private key is
    not kept."""
    with tempfile.TemporaryDirectory() as folder:
        def openssl(*words):
            return subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=True).stdout

        openssl("genpkey", *algorithm, "-out", "key")
        openssl("req", "-x509", "-key", "key", "-subj", "/CN=a", "-days", "36500", "-outform", "DER", "-out", "cert")
        der = open(f"{folder}/cert", "rb").read()
        return der, openssl("pkey", "-in", "key", "-pubout", "-outform", "DER")


def foreign(*make_key):
    """A certificate of a key that signs none, which another key signs."""
    with tempfile.TemporaryDirectory() as folder:
        def openssl(*words):
            return subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=True).stdout

        openssl(*make_key)
        openssl("pkey", "-in", "key", "-pubout", "-out", "public")
        openssl("genpkey", "-algorithm", "RSA", "-out", "signer")
        openssl("req", "-new", "-key", "signer", "-subj", "/CN=a", "-out", "request")
        openssl("x509", "-req", "-in", "request", "-key", "signer", "-force_pubkey", "public", "-days", "36500", "-outform", "DER", "-out", "cert")
        return open(f"{folder}/cert", "rb").read()


def with_certificates():
    url = lambda data: '"%s"' % base64.urlsafe_b64encode(data).decode().rstrip("=")
    chain = lambda *ders: "[%s]" % ",".join('"%s"' % base64.b64encode(der).decode() for der in ders)
    rsa, rsa_key = certificate("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    ec, ec_key = certificate("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    okp, okp_key = certificate("-algorithm", "ED25519")
    ed448, _ = certificate("-algorithm", "ED448")
    dsa, x25519 = foreign("dsaparam", "-genkey", "-out", "key", "1024"), foreign("genpkey", "-algorithm", "X25519", "-out", "key")
    # The end of a SubjectPublicKeyInfo: n and 65537, a point, 32 bytes.
    keys = {
        "RSA": ({"kty": '"RSA"', "n": url(rsa_key[-133:-5]), "e": '"AQAB"'}, rsa),
        "EC": ({"kty": '"EC"', "crv": '"P-256"', "x": url(ec_key[-64:-32]), "y": url(ec_key[-32:])}, ec),
        "OKP": ({"kty": '"OKP"', "crv": '"Ed25519"', "x": url(okp_key[-32:])}, okp),
        "oct": (SOUND["oct"], rsa),
    }
    for sound, own in keys.values():
        for der in (rsa, ec, okp, ed448, dsa, x25519):
            yield one({**sound, "x5c": chain(der)})
            yield one({**sound, "x5c": chain(own, der)})
        for changed in ({"e": '"AQAD"'}, {"e": '"AAEAAQ"'}, {"n": '"sXchTGk"'}, {"x": X, "y": Y}, {"x": X}, {"y": Y}, {"n": sound.get("n", '"AQ"').replace('"', '"AA', 1)}, {"e": '"AQAAAAAAAQAB"'}, {"x": sound.get("x", '"AQ"')[:-1] + 'AA"'}, {"x": sound.get("x", '"AQAQ"')[:-5] + '"'}):
            yield one({**sound, **changed, "x5c": chain(own)})
        yield one({**sound, "x5c": chain(own + b"x")})
        yield one({**sound, "x5c": chain(own[:-1])})
        for name, digest in (("x5t", hashlib.sha1), ("x5t#S256", hashlib.sha256)):
            right = digest(own).digest()
            hexadecimal = right.hex().encode()
            for value in (right, right[:-1], right + b"x", bytes(len(right)), hexadecimal, hexadecimal.upper(), hexadecimal[:-1] + b"g", b"0" * len(hexadecimal), hexadecimal[2:]):
                yield one({**sound, name: url(value), "x5c": chain(own)})
                yield one({**sound, name: url(value)})


def one(members):
    return '{"keys":[{%s}]}' % ",".join(f'"{name}":{value}' for name, value in members.items())


def texts():
    for kind, sound in SOUND.items():
        yield one(sound)
        # What is wrong with a member by itself does not depend on the kind of key.
        for member, value in itertools.product(MEMBERS if kind == "rsa" else sound, VALUES):
            yield one({**sound, member: value})
        for gone in sound:
            yield one({name: value for name, value in sound.items() if name != gone})
        # Private ones.
        for parts in itertools.chain.from_iterable(itertools.combinations("dpq", n) for n in (1, 2, 3)):
            yield one({**sound, **{part: '"AQ"' for part in parts}})
    ec = SOUND["ec"]
    for curve in ("P-256", "P-384", "P-521", "secp256k1", "", "p-256"):
        yield one({**ec, "crv": f'"{curve}"'})
        yield one({**ec, "crv": f'"{curve}"', "d": ZERO})
    yield one({**ec, "d": ZERO})
    yield one({**ec, "x": Y, "d": ZERO})
    for name in ("x", "y"):
        yield one({**ec, "d": ZERO, name: '"AQ"'})
        yield one({member: value for member, value in ec.items() if member != name} | {"d": ZERO})
    # Two faults in an order each.
    faults = ['"use":true', '"kid":[]', '"kid":5', '"x5t":true', '"alg":[]', '"alg":5', '"x5c":5', '"x5c":true', '"x5u":true', '"x5u":5', '"p":"!"', '"n":5', '"kty":5']
    for first, second in itertools.permutations(faults, 2):
        yield '{"keys":[{%s,%s}]}' % (first, second)
    yield from privates()
    yield from with_certificates()
    # The set itself.
    for value in ["null", "5", "true", '"x"', "[]", "{}", "[null]", "[5]", "[[]]", "[{}]", '["x"]']:
        yield '{"keys":%s}' % value
        yield '{"KEYS":%s}' % value
        yield value
    rsa = one(SOUND["rsa"])[9:-2]
    for text in [
        "", "{", "{}", '{"keys":[' + rsa + "]", '{"keys":[' + rsa + "," + rsa + "]}", '{"keys":5,"keys":[' + rsa + "]}", '{"keys":[' + rsa + '],"keys":5}',
        '{"Keys":[' + rsa + '],"keys":null}', '{"keys":[' + rsa + "],\"x\":1e999}", '{"keys":[{"kty":"RSA","kty":"EC"}]}', '{"keys":[{"KTY":"RSA","n":"AQ","e":"AQ"}]}',
        '{"keys":[' + rsa + ',{"kty":"x"}]}', '{"keys":[{"kty":"RSA","n":"sXchTGk","e":"AQAB","x":"!","y":5}]}', "[" * 50 + "]" * 50,
    ]:
        yield text


def main():
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    token = part({"alg": "RS256"}) + "." + part({"iss": "https://a.example", "aud": "aud", "exp": 4102444800, "sub": "s"}) + ".c2ln"
    sets = list(dict.fromkeys(texts()))
    asked = "".join(json.dumps({"id": i, "now": "2026-01-01T00:00:00Z", "token": token, "keys": text, "jwt": ISSUER}) + "\n" for i, text in enumerate(sets))
    # Long words that come again are written once.
    words = collections.Counter(word for text in sets for word in re.findall(r'"[A-Za-z0-9+/=_-]{24,}"', text))
    table = [word for word, times in words.most_common() if times > 1]
    errors = []
    answers = subprocess.run([sys.argv[1]], input=asked, capture_output=True, text=True, check=True).stdout.splitlines()
    lines = []
    for text, answer in zip(sets, map(json.loads, answers), strict=True):
        error = answer["error"].removeprefix("oidc: verify token: failed to verify signature: ")
        if error == "failed to verify id token signature":
            error = ""
        else:
            before, after = "fetching keys oidc: failed to decode keys: got Content-Type = application/json, but could not unmarshal as JSON: ", f" {text}"
            assert error.startswith(before) and error.endswith(after), error
            error = error[len(before) : len(error) - len(after)]
        for number, word in enumerate(table):
            text = text.replace(word, f'"~{number}"')
        if error not in errors:
            errors.append(error)
        lines.append(f"{errors.index(error)} {text}")
    print(json.dumps({"words": [word.strip('"') for word in table], "errors": errors}))
    print("\n".join(lines))


main()
