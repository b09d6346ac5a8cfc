# What `nibble-bench masks` answers: a grammar, its mask behind a token, and a grammar that is none.
file(WRITE "${REQUESTS}" "{\"kind\": \"regex\", \"text\": \"ab?\"}\n{\"grammar\": 0, \"ids\": [], \"timed\": true}\n{\"kind\": \"regex\", \"text\": \"(\"}\n{\"encode\": \"a\"}\n")
execute_process(COMMAND "${PROGRAM}" masks "${MODEL}" INPUT_FILE "${REQUESTS}" OUTPUT_VARIABLE answers RESULT_VARIABLE status)
if(NOT status EQUAL 0 OR NOT answers MATCHES "\"ends\":.*\"grammar\":0}\n{\"accepted\":0,\"us\":.[0-9.e-]+.,\"mask\":\"[0-9a-f]+\"}\n{[^\n]*\"failure\":\"expression[^\n]*}\n.[0-9,]+.\n$")
  message(FATAL_ERROR "status ${status}: ${answers}")
endif()
