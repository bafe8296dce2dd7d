# Prints a greeting every $1 seconds.
while true; do
    echo "$GREETING, it is $(date +%T)"
    sleep "$1"
done
