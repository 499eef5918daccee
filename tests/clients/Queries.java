import io.trino.plugin.memory.MemoryPlugin;
import io.trino.testing.LocalQueryRunner;
import io.trino.testing.TestingSession;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Runs the statements of a file, which a line of ";;" separates, in Trino; fails with the first that fails. */
public class Queries {
    public static void main(String[] arguments) throws Exception {
        var session = TestingSession.testSessionBuilder().setCatalog("memory").setSchema("default").build();
        try (var trino = LocalQueryRunner.create(session)) {
            trino.installPlugin(new MemoryPlugin());
            trino.createCatalog("memory", "memory", Map.of());
            int count = 0;
            for (String sql : Files.readString(Path.of(arguments[0])).split("\n;;\n")) {
                try {
                    trino.execute(sql);
                    count++;
                } catch (RuntimeException error) {
                    System.err.println(error.getMessage() + "\n" + sql);
                    System.exit(1);
                }
            }
            System.out.println(count);
        }
        System.exit(0);
    }
}
