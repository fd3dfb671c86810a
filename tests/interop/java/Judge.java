import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.BaseTable;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.Schema;
import org.apache.iceberg.StaticTableOperations;
import org.apache.iceberg.Table;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.data.IcebergGenerics;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.hadoop.HadoopFileIO;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.io.FileIO;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.iceberg.types.Type;
import org.apache.iceberg.types.Types;
import org.apache.iceberg.util.SnapshotUtil;

/**
 * Reads tables with Iceberg's own Java library and prints their rows as canon.py defines them, in
 * the order of their bytes; with --digest one line a table.
 *
 * <pre>
 * Judge [OPTION...] metadata FILE...
 * Judge [OPTION...] jdbc URI CATALOG NAMESPACE.TABLE...
 * Judge [OPTION...] set URI CATALOG NAMESPACE.TABLE NAME=VALUE
 * Judge --serve
 * </pre>
 *
 * Options: --digest, --snapshot ID, and --property NAME=VALUE of the catalog and of its files.
 *
 * set changes a table as another writer would: it commits a property, to a table that it makes when
 * it is missing.
 *
 * The last answers requests from standard input, a line of arguments with tabs between them each;
 * an answer ends with a zero byte and, where it failed, the reason, on a line of their own.
 */
public final class Judge {
  private static final DateTimeFormatter TIMESTAMP =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS");
  private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("HH:mm:ss.SSSSSS");

  public static void main(String[] arguments) throws Exception {
    try (OutputStream out = new BufferedOutputStream(System.out)) {
      if (arguments.length == 1 && arguments[0].equals("--serve")) {
        serve(out);
      } else {
        answer(new ArrayDeque<>(Arrays.asList(arguments)), out);
      }
    }
  }

  private static void serve(OutputStream out) throws Exception {
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String end = "\0\n"; /* no row has a zero byte */
      try {
        answer(new ArrayDeque<>(Arrays.asList(line.split("\t"))), out);
      } catch (Exception e) {
        end = "\0" + e.toString().replace('\n', ' ') + "\n";
      }
      out.write(end.getBytes(StandardCharsets.UTF_8));
      out.flush();
    }
  }

  private static void answer(Deque<String> left, OutputStream out) throws Exception {
    boolean digest = false;
    Long snapshot = null;
    Map<String, String> properties = new HashMap<>();
    while (left.peek().startsWith("--")) {
      String option = left.pop();
      if (option.equals("--digest")) {
        digest = true;
      } else if (option.equals("--snapshot")) {
        snapshot = Long.valueOf(left.pop());
      } else {
        String[] property = left.pop().split("=", 2);
        properties.put(property[0], property[1]);
      }
    }
    String kind = left.pop();
    if (kind.equals("set")) {
      set(properties, left);
      return;
    }
    try (JdbcCatalog catalog = new JdbcCatalog();
        FileIO files = openFiles(properties)) {
      List<Table> tables =
          kind.equals("jdbc") ? open(catalog, properties, left) : openFrom(files, left);
      for (Table table : tables) {
        List<byte[]> rows = rows(table, snapshot);
        if (digest) {
          out.write((digest(rows) + "\n").getBytes(StandardCharsets.US_ASCII));
          continue;
        }
        rows.sort(Arrays::compareUnsigned);
        for (byte[] row : rows) {
          out.write(row);
          out.write('\n');
        }
      }
    }
  }

  private static FileIO openFiles(Map<String, String> properties) {
    String kind = properties.getOrDefault("io-impl", HadoopFileIO.class.getName());
    return CatalogUtil.loadFileIO(kind, properties, new Configuration());
  }

  private static List<Table> openFrom(FileIO files, Iterable<String> locations) {
    List<Table> tables = new ArrayList<>();
    for (String location : locations) {
      tables.add(new BaseTable(new StaticTableOperations(location, files), location));
    }
    return tables;
  }

  private static List<Table> open(
      JdbcCatalog catalog, Map<String, String> properties, Deque<String> arguments) {
    List<Table> tables = new ArrayList<>();
    initialize(catalog, properties, arguments);
    for (String name : arguments) {
      tables.add(catalog.loadTable(TableIdentifier.parse(name)));
    }
    return tables;
  }

  private static void initialize(
      JdbcCatalog catalog, Map<String, String> properties, Deque<String> arguments) {
    properties.put("uri", arguments.pop());
    properties.putIfAbsent("warehouse", "file:///unused");
    properties.put("jdbc.schema-version", "V1");
    catalog.setConf(new Configuration());
    catalog.initialize(arguments.pop(), properties);
  }

  private static void set(Map<String, String> properties, Deque<String> arguments)
      throws Exception {
    try (JdbcCatalog catalog = new JdbcCatalog()) {
      initialize(catalog, properties, arguments);
      TableIdentifier name = TableIdentifier.parse(arguments.pop());
      String[] property = arguments.pop().split("=", 2);
      if (!catalog.namespaceExists(name.namespace())) {
        catalog.createNamespace(name.namespace());
      }
      Schema schema = new Schema(Types.NestedField.required(1, "id", Types.IntegerType.get()));
      Table table =
          catalog.tableExists(name) ? catalog.loadTable(name) : catalog.createTable(name, schema);
      table.updateProperties().set(property[0], property[1]).commit();
    }
  }

  private static List<byte[]> rows(Table table, Long snapshot) throws Exception {
    List<byte[]> rows = new ArrayList<>();
    if (table.currentSnapshot() == null) {
      return rows;
    }
    IcebergGenerics.ScanBuilder scan = IcebergGenerics.read(table);
    Types.StructType columns = table.schema().asStruct();
    if (snapshot != null) {
      columns = SnapshotUtil.schemaFor(table, snapshot).asStruct();
      scan = scan.useSnapshot(snapshot);
    }
    List<Types.NestedField> fields = columns.fields();
    try (CloseableIterable<Record> records = scan.build()) {
      for (Record record : records) {
        StringBuilder row = new StringBuilder();
        for (int i = 0; i < fields.size(); i++) {
          row.append(i > 0 ? "\t" : "").append(text(fields.get(i).type(), record.get(i)));
        }
        rows.add(row.toString().getBytes(StandardCharsets.UTF_8));
      }
    }
    return rows;
  }

  private static String text(Type type, Object value) {
    if (value == null) {
      return "\\N";
    }
    switch (type.typeId()) {
      case BOOLEAN:
        return (Boolean) value ? "t" : "f";
      case INTEGER:
      case LONG:
      case DATE:
      case UUID:
        return value.toString();
      case FLOAT:
        return String.format("%08x", Float.floatToIntBits((Float) value));
      case DOUBLE:
        return String.format("%016x", Double.doubleToLongBits((Double) value));
      case DECIMAL:
        return ((BigDecimal) value).toPlainString();
      case TIME:
        return TIME.format((java.time.LocalTime) value);
      case TIMESTAMP:
        return timestamp(value);
      case STRING:
        return escape(value.toString());
      case BINARY:
      case FIXED:
        return HexFormat.of().formatHex(octets(value));
      default:
        throw new IllegalArgumentException("no canonical form of " + type);
    }
  }

  private static String timestamp(Object value) {
    if (value instanceof OffsetDateTime) {
      return TIMESTAMP.format(((OffsetDateTime) value).withOffsetSameInstant(ZoneOffset.UTC)) + "Z";
    }
    return TIMESTAMP.format((LocalDateTime) value);
  }

  private static String escape(String text) {
    return text.replace("\\", "\\\\")
        .replace("\b", "\\b")
        .replace("\f", "\\f")
        .replace("\n", "\\n")
        .replace("\r", "\\r")
        .replace("\t", "\\t")
        .replace("\u000b", "\\v");
  }

  private static byte[] octets(Object value) {
    if (value instanceof byte[]) {
      return (byte[]) value;
    }
    ByteBuffer view = ((ByteBuffer) value).duplicate();
    byte[] octets = new byte[view.remaining()];
    view.get(octets);
    return octets;
  }

  private static String digest(List<byte[]> rows) throws Exception {
    MessageDigest sha = MessageDigest.getInstance("SHA-256");
    BigInteger sum = BigInteger.ZERO;
    for (byte[] row : rows) {
      sum = sum.add(new BigInteger(1, Arrays.copyOf(sha.digest(row), 16)));
    }
    return String.format(
        "%d %032x", rows.size(), sum.mod(BigInteger.ONE.shiftLeft(128)));
  }

  private Judge() {}
}
