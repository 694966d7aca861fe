#!/bin/sh
# Make the secrets of a new site in secrets/ (or $SENDIT_SECRETS): passwords, addresses, the two
# keys, and a certificate to try with. A file that is there is left alone.
set -eu
umask 077
folder=${SENDIT_SECRETS:-./secrets}
mkdir -p "$folder"

make() {
    name=$1
    shift
    if [ -e "$folder/$name" ]; then
        echo "kept   $folder/$name"
        return
    fi
    "$@" > "$folder/$name.part"
    mv "$folder/$name.part" "$folder/$name"
    echo "made   $folder/$name"
}
random_hex() { od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'; echo; }
random_word() { random_hex 24 | tr -d '\n'; }
fernet_key() { head -c 32 /dev/urandom | base64 | tr '+/' '-_'; }
database_url() { printf 'postgresql://sendit:%s@db/sendit' "$(cat "$folder/database_password")"; }
broker_url() { printf 'redis://:%s@redis/0' "$(cat "$folder/redis_password")"; }

make database_password random_word
make redis_password random_word
make database_url database_url
make broker_url broker_url
make web_secret_key random_word
make site.key random_hex 32
make field.key fernet_key
if [ ! -e "$folder/tls.key" ] && command -v openssl > /dev/null; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=localhost \
        -keyout "$folder/tls.key" -out "$folder/tls.crt" 2> /dev/null
    echo "made   $folder/tls.key and tls.crt, to try with: put your own in their place"
fi

owner=${SENDIT_UID:-10001}
if [ "$(id -u)" = 0 ]; then
    chown -R "$owner:${SENDIT_GID:-$owner}" "$folder"
else
    echo "give them to the user of the containers:  sudo chown -R $owner:$owner $folder"
fi
echo "Keep a copy of site.key and field.key in a safe: without the site key every patient would"
echo "get a second identity."
