package bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.Properties;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.util.Utf8;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;

/**
 * The fold of the benchmark on Kafka Streams: one thread, a RocksDB store with caching, one row per experiment.
 *
 * Arguments: servers, topic, application id, processing guarantee, records, state folder, commit interval in ms, number
 * of experiments' rate: it prints `progress COUNT NANOS` ten times a second, and at the end `counted RECORDS OBSERVATIONS`
 * as found in the store.
 */
public final class Sprt {
    private static final String STORE = "runs";
    private static final int WIDTH = 7 * Long.BYTES; // records, n, successes, llr, largest llr, sequence, duplicates
    private static final long FINGERPRINT = Long.reverseBytes(Long.parseUnsignedLong(System.getenv("FINGERPRINT"), 16));
    private static final double P0 = 0.5, P1 = 0.51;
    private static final double SLOPE = Math.log(P1 / P0) - Math.log((1 - P1) / (1 - P0));
    private static final double DRIFT = Math.log((1 - P1) / (1 - P0));
    private static final double UPPER = 690.0, LOWER = -690.0;

    private static volatile long processed;

    private static final class Fold implements Processor<byte[], byte[], Void, Void> {
        private KeyValueStore<Bytes, byte[]> store;
        private BinaryDecoder decoder;
        private final Utf8 id = new Utf8(), text = new Utf8();
        private final JsonFactory json = new JsonFactory();
        private double[] values = new double[16];
        private int size;
        private long sequence;
        private byte[] name = new byte[64];
        private int nameLength;

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            store = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            byte[] key = record.key(), value = record.value();
            try {
                if (value[0] == '{') readJson(value); else readAvro(value);
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
            if (nameLength != key.length || !Arrays.equals(name, 0, nameLength, key, 0, nameLength)) {
                throw new IllegalStateException("key");
            }
            Bytes row = Bytes.wrap(key);
            byte[] before = store.get(row);
            ByteBuffer state = before == null ? ByteBuffer.allocate(WIDTH) : ByteBuffer.wrap(before);
            long records = state.getLong(0), n = state.getLong(8), successes = state.getLong(16);
            double llr = state.getDouble(24), highest = state.getDouble(32);
            long last = before == null ? -1 : state.getLong(40), duplicates = state.getLong(48);
            if (sequence <= last) {
                duplicates++;
            } else {
                last = sequence;
                for (int i = 0; i < size && llr < UPPER && llr > LOWER; i++) {
                    double x = values[i];
                    if (x != 0.0 && x != 1.0) throw new IllegalStateException("value");
                    n++;
                    successes += (long) x;
                    llr = SLOPE * successes + DRIFT * n;
                    if (llr > highest) highest = llr;
                }
            }
            byte[] after = new byte[WIDTH];
            ByteBuffer.wrap(after).putLong(records + 1).putLong(n).putLong(successes).putDouble(llr).putDouble(highest)
                .putLong(last).putLong(duplicates);
            store.put(row, after);
            processed++;
        }

        private void readAvro(byte[] value) throws IOException {
            if (value[0] != (byte) 0xC3 || value[1] != 1 || ByteBuffer.wrap(value).getLong(2) != Long.reverseBytes(FINGERPRINT)) {
                throw new IOException("schema");
            }
            decoder = DecoderFactory.get().binaryDecoder(value, 10, value.length - 10, decoder);
            decoder.readString(id);
            nameLength = id.getByteLength();
            System.arraycopy(id.getBytes(), 0, name, 0, nameLength);
            size = 0;
            for (long count = decoder.readArrayStart(); count != 0; count = decoder.arrayNext()) {
                for (long i = 0; i < count; i++) add(decoder.readDouble());
            }
            if (decoder.readIndex() == 1) decoder.readString(text); // arm
            if (decoder.readIndex() == 1) decoder.readLong(); // observed_at
            if (decoder.readIndex() == 1) decoder.readString(text); // source
            sequence = decoder.readIndex() == 1 ? decoder.readLong() : -1;
        }

        private void readJson(byte[] value) throws IOException {
            size = 0;
            sequence = -1;
            try (JsonParser parser = json.createParser(value)) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String field = parser.currentName();
                    JsonToken token = parser.nextToken();
                    switch (field) {
                        case "experiment_id" -> {
                            byte[] bytes = parser.getText().getBytes(java.nio.charset.StandardCharsets.UTF_8);
                            nameLength = bytes.length;
                            System.arraycopy(bytes, 0, name, 0, nameLength);
                        }
                        case "values" -> {
                            while (parser.nextToken() != JsonToken.END_ARRAY) add(parser.getDoubleValue());
                        }
                        case "sequence" -> sequence = token == JsonToken.VALUE_NULL ? -1 : parser.getLongValue();
                        default -> { }
                    }
                }
            }
        }

        private void add(double x) {
            if (size == values.length) values = Arrays.copyOf(values, 2 * size);
            values[size++] = x;
        }
    }

    public static void main(String[] given) throws InterruptedException {
        String servers = given[0], topic = given[1], application = given[2], guarantee = given[3];
        long records = Long.parseLong(given[4]);
        Properties config = new Properties();
        config.putAll(Map.of(
            StreamsConfig.APPLICATION_ID_CONFIG, application,
            StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, servers,
            StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee,
            StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1,
            StreamsConfig.STATE_DIR_CONFIG, given[5],
            StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, given[6],
            "auto.offset.reset", "earliest",
            "producer.acks", "all"));
        Topology topology = new Topology();
        topology.addSource("observations", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), topic);
        topology.addProcessor("fold", Fold::new, "observations");
        topology.addStateStore(
            Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), Serdes.Bytes(), Serdes.ByteArray())
                .withCachingEnabled(),
            "fold");
        try (KafkaStreams streams = new KafkaStreams(topology, config)) {
            streams.setUncaughtExceptionHandler(error -> {
                error.printStackTrace();
                Runtime.getRuntime().halt(1);
                return null;
            });
            streams.start();
            long at = 0;
            while (at < records) {
                Thread.sleep(20);
                if (processed > at) {
                    at = processed;
                    System.out.println("progress " + at + " " + System.currentTimeMillis() * 1_000_000L);
                }
            }
            long counted = 0, observations = 0;
            var store = streams.store(StoreQueryParameters.fromNameAndType(STORE, QueryableStoreTypes.<Bytes, byte[]>keyValueStore()));
            try (KeyValueIterator<Bytes, byte[]> rows = store.all()) {
                while (rows.hasNext()) {
                    ByteBuffer row = ByteBuffer.wrap(rows.next().value);
                    counted += row.getLong(0);
                    observations += row.getLong(8);
                }
            }
            System.out.println("counted " + counted + " " + observations);
        }
    }
}
