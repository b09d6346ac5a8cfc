/// NIBBLE_TEST_SANITIZED: 1 where a sanitizer stands between the test and the system's refusals (it ends the program instead).
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NIBBLE_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define NIBBLE_TEST_SANITIZED 1
#endif
#endif
#ifndef NIBBLE_TEST_SANITIZED
#define NIBBLE_TEST_SANITIZED 0
#endif
