"""What limits the speed of each part of the table, for the page Speed."""

READING = """\
Products of matrices take most of the time of the networks: `wav2letter_small` multiplies and adds 179 million times for a second of
speech. The language model adds a search for words. Keras computes the same convolutions as the engines, in more and smaller steps.
Whisper computes a window of 30 s whatever the length of a clip, and writes its text token by token with a second network: four short
clips cost it four windows, and the recording of 30 s costs one. PocketSphinx compares every 10 ms with thousands of Gaussian densities
and follows many words at once. The last column of the figures counts wrong words. Readers that cost more make fewer errors here."""
TRAINING = """\
The convolutions and their gradients take most of a step in every row, so that no way of training can be much faster than the plain
loop, which has torch's own layers, CTC and AdamW and nothing else. The trainer and `fit` add masks for padding, a check of the loss and
an average of the weights. Backends differ in their convolutions on a CPU and in their criterion."""
CRITERIA = """\
A criterion is a recursion over time: each frame waits for the frame before it, and one frame has little to compute. Calls of operations
and exponentials take the time, products of matrices only a part of it. The package's CTC calls the fastest function of the backend,
which is C++ in torch. Its ASG divides a recording into chunks and computes the products of all chunks at once, so that its loops have
about as many steps as the square root of the number of frames. It therefore gains on CTC with the length. The authors' ASG is C++ with
one loop over all frames and an exponential for each pair of letters in every frame."""
GENERATION = """\
A WaveNet computes one sample after the other. For one sound, each sample reads all weights from memory and multiplies them with a
single column, and on torch each operation is a call. Eight sounds share the reading of the weights and the calls. Without the cache,
every sample costs the network on its whole receptive field of 2,048 samples."""
STARTUP = """\
Reading and running the files of libraries takes this time. `import kerasrecipes` loads no backend, and `list` reads the files of the
recipes. The first words need an engine or a backend, the weights and, in Keras, the compilation of the network for the length of the
recording."""
MEMORY = """\
A file is decoded in blocks and the network sees 30 s at a time, so that only the logits grow with the file: 12 MB for an hour at 25
frames a second. The rest is the engine, its weights and the arrays of one chunk."""
CLIPS = """\
The command starts two processes, the second of which loads the network: for a few clips this is most of the cost. With many clips, it
only adds the rows that it writes and the list of files, which survive an interruption."""
