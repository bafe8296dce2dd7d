# Prints a greeting every $1 seconds.
while true; do
    echo "$GREETING from $AWS_IOT_THING_NAME, version 1.0.0"
    sleep "$1"
done
