/* What starting any process costs, beside which the first post of a fresh one is measured. */
int main(void) {
    return 0;
}
