#include "base/test.h"

#include <stdio.h>
int main(void) { printf("0 passed, 0 failed, 0 skipped\n"); return 1; }
