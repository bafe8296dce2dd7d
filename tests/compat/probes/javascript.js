// A component that uses the JavaScript SDK: reads its configuration and publishes it.

'use strict';

const {greengrasscoreipc} = require('aws-iot-device-sdk-v2');

(async () => {
    const client = greengrasscoreipc.createClient();
    await client.connect();
    const {value} = await client.getConfiguration({keyPath: ['greeting']});
    await client.publishToTopic({topic: process.argv[2], publishMessage: {jsonMessage: {message: value}}});
    await client.close();
})();
