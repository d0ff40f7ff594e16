/** Waits for its end. The Java VM handles SIGHUP, and exits. */
public class Server {
    public static void main(String[] arguments) throws InterruptedException {
        Thread.currentThread().join();
    }
}
