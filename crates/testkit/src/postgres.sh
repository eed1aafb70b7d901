# Runs a PostgreSQL of its own until standard input ends, which it does when the process that holds the other
# end does, however that ends. Prints `ready`, or what went wrong.
# $1: folder of PostgreSQL's programs. $2: port.
set -eu
bin=$1
port=$2
folder=$(mktemp -d "${TMPDIR:-/tmp}/burgee-postgres.XXXXXX")
cd "$folder"
exec 2>"$folder/log"
# Ctrl-C reaches this shell too; it still has to clean up.
trap : INT TERM

fail() {
    echo "$1"
    cat "$folder/log"
    rm -rf "$folder"
    exit 1
}

# Not the collation C: what relies on the order of bytes has to say so.
"$bin/initdb" --pgdata=data --username=burgee --auth=trust --no-sync --encoding=UTF8 --locale=C.UTF-8 \
    --locale-provider=icu --icu-locale=en >&2 || fail 'initdb failed; PostgreSQL 15 or later is needed'
"$bin/postgres" -D data -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c max_connections=300 -c shared_buffers=32MB \
    -c fsync=off -c full_page_writes=off -c synchronous_commit=off </dev/null >&2 &
server=$!

tries=0
until "$bin/pg_isready" --quiet --host=127.0.0.1 --port="$port"; do
    kill -0 "$server" || fail 'the server stopped'
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { kill -9 "$server"; fail 'the server was not ready within a minute'; }
    sleep 0.1
done
kill -0 "$server" || fail 'the server stopped'
echo ready
exec >/dev/null

read -r _ || true
kill -INT "$server" || true
wait "$server" || true
rm -rf "$folder"
