// Drives the Greengrass IPC client of the AWS IoT Device SDK for JavaScript for the compatibility tests.
//
// One command a line comes in on stdin as JSON, {"id": n, "do": name, ...}, and is answered by one line on stdout,
// {"id": n, "result": ...} or {"id": n, "error": {...}}. What happens on a subscription comes as lines of its own,
// {"stream": name, "event": ...}, {"stream": name, "error": ...} or {"stream": name, "ended": true}.
//
// Requests, responses and events are in the JSON of the service model. The SDK's own functions turn them into what
// somebody who writes JavaScript would hand over or receive (Date, Buffer, Map), and back.

'use strict';

const readline = require('readline');
const sdk = require('aws-iot-device-sdk-v2');
const utils = require('aws-iot-device-sdk-v2/dist/greengrasscoreipc/model_utils');

const model = utils.makeServiceModel();
const PREFIX = 'aws.greengrass#';
const clients = new Map();
const streams = new Map();

function say(line) {
    process.stdout.write(JSON.stringify(line) + '\n');
}

function shapeName(full) {
    return full.substring(PREFIX.length);
}

function toShape(operation, request) {
    const shape = utils['deserialize' + operation + 'Request'](request);
    // The SDK's function forgets that these are maps, too.
    for (const member of ['rootComponentVersionsToAdd', 'componentToConfiguration']) {
        if (operation === 'CreateLocalDeployment' && shape[member] !== undefined) {
            shape[member] = new Map(Object.entries(shape[member]));
        }
    }
    return shape;
}

function toJson(shape, value) {
    return utils['normalize' + shape](value);
}

function describe(error) {
    // What the SDK does not know a shape for, or does not expect of this operation, it names in its description only.
    const unexpected = /^Unexpected response shape received: '(.*)'$/.exec(error.description || '');
    const service = error.serviceError;
    if (service) {
        return {declared: true, shape: service._errorCode, members: service};
    }
    if (unexpected) {
        return {declared: false, shape: shapeName(unexpected[1])};
    }
    const type = Object.entries(sdk.eventstream_rpc.RpcErrorType).find(([, number]) => number === error.type);
    return {client: type ? type[0] : error.name, text: String(error.description || error.stack || error)};
}

const commands = {
    async connect({connection, socket, token}) {
        const client = sdk.greengrasscoreipc.createClient({
            hostName: socket,
            port: 0,
            socketOptions: new sdk.io.SocketOptions(sdk.io.SocketType.STREAM, sdk.io.SocketDomain.LOCAL),
            connectTransform: async (options) => {
                options.message.payload = JSON.stringify({authToken: token});
                return options.message;
            },
        });
        await client.connect();
        clients.set(connection, client);
    },

    async call({connection, operation, request, unchecked}) {
        const method = operation[0].toLowerCase() + operation.substring(1);
        const response = await clients.get(connection)[method](toShape(operation, request), {disableValidation: unchecked});
        return toJson(operation + 'Response', response);
    },

    async subscribe({connection, stream, operation, request, unchecked}) {
        const method = operation[0].toLowerCase() + operation.substring(1);
        const subscription = clients.get(connection)[method](toShape(operation, request), {disableValidation: unchecked});
        const eventShape = shapeName(model.operations.get(PREFIX + operation).inboundMessageShape);
        subscription.on('message', (event) => say({stream, event: toJson(eventShape, event)}));
        subscription.on('streamError', (error) => say({stream, error: describe(error)}));
        subscription.on('ended', () => say({stream, ended: true}));
        const response = await subscription.activate();
        streams.set(stream, subscription);
        return toJson(operation + 'Response', response);
    },

    async unsubscribe({stream}) {
        await streams.get(stream).close();
        streams.delete(stream);
    },

    async close({connection}) {
        const client = clients.get(connection);
        clients.delete(connection);
        await client.close();
    },
};

readline.createInterface({input: process.stdin, crlfDelay: Infinity}).on('line', async (line) => {
    const command = JSON.parse(line);
    try {
        const result = await commands[command.do](command);
        say({id: command.id, result: result === undefined ? null : result});
    } catch (error) {
        say({id: command.id, error: describe(error)});
    }
}).on('close', () => process.exit(0));
