import com.sun.net.httpserver.BasicAuthenticator;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.ReentrantLock;
import javax.management.Attribute;
import javax.management.AttributeList;
import javax.management.AttributeNotFoundException;
import javax.management.DynamicMBean;
import javax.management.MBeanAttributeInfo;
import javax.management.MBeanInfo;
import javax.management.ObjectName;
import javax.management.openmbean.CompositeDataSupport;
import javax.management.openmbean.CompositeType;
import javax.management.openmbean.OpenType;
import javax.management.openmbean.SimpleType;
import org.jolokia.backend.BackendManager;
import org.jolokia.config.ConfigKey;
import org.jolokia.config.Configuration;
import org.jolokia.http.HttpRequestHandler;
import org.jolokia.restrictor.AllowAllRestrictor;
import org.jolokia.restrictor.Restrictor;
import org.jolokia.util.LogHandler;
import org.json.simple.JSONAware;

/**
 * A small Java server with Jolokia's agent as Debian packages it (libjolokia-core-java), for
 * tests: java -cp /usr/share/java/jolokia-core.jar:/usr/share/java/json-simple.jar Agent.java USER PASSWORD [FILE…]
 *
 * It listens on a free port of loopback, which it prints: /jolokia is open, /secure wants the
 * user and the password, /readonly lets nothing be called. Beside the
 * MBeans of the JVM itself it registers those that the files name: a line for each MBean,
 * below it its attributes, indented, each as "name type value". They may be written. A POST to
 * /trouble makes a deadlock of two threads, and a DELETE ends it.
 */
public class Agent {
    public static void main(String[] args) throws Exception {
        String name = args[0], secret = args[1];
        for (int i = 2; i < args.length; i++) {
            register(Files.readAllLines(Path.of(args[i])));
        }
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 50);
        server.setExecutor(Executors.newFixedThreadPool(4));
        HttpHandler open = handler(new AllowAllRestrictor());
        server.createContext("/jolokia", open);
        server.createContext("/readonly", handler(new ReadOnly()));
        server.createContext("/secure", open).setAuthenticator(new BasicAuthenticator("jolokia") {
            @Override
            public boolean checkCredentials(String user, String password) {
                return user.equals(name) && password.equals(secret);
            }
        });
        server.createContext("/trouble", Agent::trouble);
        server.start();
        System.out.println("listening on " + server.getAddress().getPort());
    }

    static class ReadOnly extends AllowAllRestrictor implements Restrictor {
        @Override
        public boolean isOperationAllowed(ObjectName name, String operation) {
            return false;
        }

        @Override
        public boolean isAttributeReadAllowed(ObjectName name, String attribute) {
            return !attribute.equals("SystemProperties");
        }
    }

    static class Quiet implements LogHandler {
        public void debug(String message) {}

        public void info(String message) {}

        public void error(String message, Throwable t) {}
    }

    static HttpHandler handler(Restrictor restrictor) {
        Configuration config = new Configuration(ConfigKey.AGENT_ID, "test");
        Quiet quiet = new Quiet();
        BackendManager backend = new BackendManager(config, quiet, restrictor);
        HttpRequestHandler requests = new HttpRequestHandler(config, backend, quiet);
        return exchange -> answer(requests, exchange);
    }

    static void answer(HttpRequestHandler requests, HttpExchange exchange) throws IOException {
        String uri = exchange.getRequestURI().toString();
        JSONAware json;
        try {
            if (exchange.getRequestMethod().equals("POST")) {
                InputStream body = new ByteArrayInputStream(exchange.getRequestBody().readAllBytes());
                json = requests.handlePostRequest(uri, body, "UTF-8", parameters(exchange));
            } else {
                String path = exchange.getRequestURI().getPath().substring(exchange.getHttpContext().getPath().length());
                json = requests.handleGetRequest(uri, path, parameters(exchange));
            }
        } catch (Throwable t) {
            json = requests.handleThrowable(t);
        }
        send(exchange, 200, json.toJSONString());
    }

    static Map<String, String[]> parameters(HttpExchange exchange) {
        Map<String, String[]> all = new HashMap<>();
        String query = exchange.getRequestURI().getRawQuery();
        if (query != null) {
            for (String pair : query.split("&")) {
                String[] parts = pair.split("=", 2);
                all.put(parts[0], new String[] {parts.length == 2 ? URLDecoder.decode(parts[1], StandardCharsets.UTF_8) : ""});
            }
        }
        return all;
    }

    static void send(HttpExchange exchange, int status, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
        exchange.sendResponseHeaders(status, body.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(body);
        }
    }

    static final List<Thread> stuck = new ArrayList<>();

    static synchronized void trouble(HttpExchange exchange) throws IOException {
        try {
            if (exchange.getRequestMethod().equals("POST")) {
                ReentrantLock a = new ReentrantLock(), b = new ReentrantLock();
                CountDownLatch both = new CountDownLatch(2);
                begin(a, b, both);
                begin(b, a, both);
                both.await();
                while (ManagementFactory.getThreadMXBean().findDeadlockedThreads() == null) {
                    Thread.onSpinWait();
                }
            } else {
                for (Thread t : stuck) {
                    t.interrupt();
                    t.join();
                }
                stuck.clear();
            }
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
        send(exchange, 200, "done\n");
    }

    static void begin(ReentrantLock first, ReentrantLock second, CountDownLatch both) {
        Thread t = new Thread(() -> {
            first.lock();
            try {
                both.countDown();
                both.await();
                second.lockInterruptibly();
            } catch (InterruptedException e) {
                // The trouble is over.
            } finally {
                first.unlock();
            }
        });
        t.setDaemon(true);
        t.start();
        stuck.add(t);
    }

    static void register(List<String> lines) throws Exception {
        Told bean = null;
        for (String line : lines) {
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            if (!Character.isWhitespace(line.charAt(0))) {
                bean = new Told();
                ManagementFactory.getPlatformMBeanServer().registerMBean(bean, new ObjectName(line.trim()));
                continue;
            }
            String[] parts = line.trim().split("\\s+", 3);
            bean.types.put(parts[0], parts[1]);
            bean.values.put(parts[0], value(parts[1], parts.length == 3 ? parts[2] : ""));
        }
    }

    static Object value(String type, String text) throws Exception {
        switch (type) {
            case "long":
                return Long.valueOf(text);
            case "int":
                return Integer.valueOf(text);
            case "double":
                return Double.valueOf(text);
            case "boolean":
                return Boolean.valueOf(text);
            case "text":
                return text;
            case "texts":
                return text.isEmpty() ? new ArrayList<>() : new ArrayList<>(List.of(text.split(",")));
            case "map":
                Map<String, String> map = new LinkedHashMap<>();
                for (String pair : text.isEmpty() ? new String[0] : text.split(",")) {
                    map.put(pair.substring(0, pair.lastIndexOf('=')), pair.substring(pair.lastIndexOf('=') + 1));
                }
                return map;
            case "composite":
                Map<String, Object> items = new LinkedHashMap<>();
                for (String pair : text.split(",")) {
                    items.put(pair.split("=")[0], Long.valueOf(pair.split("=")[1]));
                }
                String[] names = items.keySet().toArray(new String[0]);
                OpenType<?>[] types = new OpenType<?>[names.length];
                java.util.Arrays.fill(types, SimpleType.LONG);
                return new CompositeDataSupport(new CompositeType("told", "told", names, names, types), items);
            default:
                throw new IllegalArgumentException("no type " + type);
        }
    }

    /** An MBean whose attributes are told by a file. */
    static class Told implements DynamicMBean {
        final Map<String, String> types = new LinkedHashMap<>();
        final Map<String, Object> values = new LinkedHashMap<>();

        @Override
        public synchronized Object getAttribute(String name) throws AttributeNotFoundException {
            if (!types.containsKey(name)) {
                throw new AttributeNotFoundException("No such attribute: " + name);
            }
            return values.get(name);
        }

        @Override
        public synchronized void setAttribute(Attribute a) throws AttributeNotFoundException {
            if (!types.containsKey(a.getName())) {
                throw new AttributeNotFoundException("No such attribute: " + a.getName());
            }
            try {
                values.put(a.getName(), value(types.get(a.getName()), String.valueOf(a.getValue())));
            } catch (Exception e) {
                throw new IllegalArgumentException(e);
            }
        }

        @Override
        public AttributeList getAttributes(String[] names) {
            AttributeList list = new AttributeList();
            for (String name : names) {
                try {
                    list.add(new Attribute(name, getAttribute(name)));
                } catch (AttributeNotFoundException e) {
                    // As JMX has it: what is not there is left out.
                }
            }
            return list;
        }

        @Override
        public AttributeList setAttributes(AttributeList attributes) {
            return new AttributeList();
        }

        @Override
        public Object invoke(String action, Object[] parameters, String[] signature) {
            throw new UnsupportedOperationException(action);
        }

        @Override
        public MBeanInfo getMBeanInfo() {
            MBeanAttributeInfo[] infos = new MBeanAttributeInfo[types.size()];
            int i = 0;
            for (String name : types.keySet()) {
                infos[i++] = new MBeanAttributeInfo(name, java(types.get(name)), name, true, true, false);
            }
            return new MBeanInfo(Told.class.getName(), "told by a file", infos, null, null, null);
        }

        private static String java(String type) {
            switch (type) {
                case "long":
                case "int":
                case "double":
                case "boolean":
                    return type;
                default:
                    // Written as text, whatever it is read as.
                    return "java.lang.String";
            }
        }
    }
}
