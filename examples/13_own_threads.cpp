// A model on the threads of your program, instead of threads of its own.
//
//     13_own_threads model.gguf
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <iostream>
#include <latch>
#include <mutex>
#include <new>
#include <nibble/nibble.hpp>
#include <queue>
#include <thread>
#include <vector>

// A pool as many programs have one: tasks in a queue.
class task_queue {
 public:
  explicit task_queue(std::size_t threads) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~task_queue() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    ready_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  std::size_t threads() const { return threads_.size(); }
  void submit(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push(std::move(task));
    }
    ready_.notify_one();
  }

 private:
  void work() {
    for (std::unique_lock lock(mutex_);;) {
      ready_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      auto task = std::move(tasks_.front());
      tasks_.pop();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  std::queue<std::function<void()>> tasks_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

// What nibble asks of an executor: how many tasks may run at once, and f(i) for each i below n. It is called several times a
// layer: a queue costs more than nibble::thread_pool, whose threads wait awake.
struct on_queue {
  task_queue& queue;

  std::size_t concurrency() const { return queue.threads() + 1; }
  void run(std::size_t n, nibble::executor_task f) {
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
      for (std::size_t i; (i = next++) < n;) f(i);
    };
    const std::size_t helpers = std::min(queue.threads(), n - std::min<std::size_t>(n, 1));
    std::latch done(static_cast<std::ptrdiff_t>(helpers));
    for (std::size_t i = 0; i < helpers; ++i) {
      try {
        queue.submit([&] {
          work();
          done.count_down();
        });
      } catch (const std::bad_alloc&) {  // the others do its share
        done.count_down();
      }
    }
    work();  // the caller is one of them
    done.wait();
  }
};
static_assert(nibble::executor<on_queue>);

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: 13_own_threads MODEL.gguf\n";
    return 2;
  }
  task_queue queue(2);
  on_queue executor{queue};                                               // outlives the model
  auto model = nibble::any_model::load(argv[1], {.executor = executor});  // which makes no threads
  auto session = nibble::session(model);
  for (auto& event : session.generate("Once upon a time", {.max_tokens = 24})) std::cout << event.text << std::flush;
  std::cout << "\n[" << session.stats().generated_tokens << " tokens on " << executor.concurrency() << " threads]\n";
}
